package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fedflattr/flattrd/federation"
)

// evidenceCommand is about the signed documents that are kept of all money between instances.
type evidenceCommand struct {
	List   evidenceListCommand   `cmd:"" help:"List the signed documents that are kept."`
	Show   evidenceShowCommand   `cmd:"" help:"Print one, byte by byte as it was signed."`
	Lines  evidenceLinesCommand  `cmd:"" help:"Print the lines of a claim whose document names only their digest."`
	Verify evidenceVerifyCommand `cmd:"" help:"Check the proof of a document in a file."`
}

type evidenceListCommand struct {
	Name string `name:"database" placeholder:"NAME" help:"Database on the server, such as localserve's flattrd_a_8480."`
	Host string `help:"Only what was exchanged with this host."`
}

// Run prints when each was kept, whose it is, and its id.
func (c evidenceListCommand) Run(ctx context.Context, d *Database) error {
	b, err := openBooks(ctx, d, c.Name, nil)
	if err != nil {
		return err
	}
	defer b.stop()
	all, err := federation.Evidence(ctx, b.pool, c.Host)
	for _, k := range all {
		whose := "theirs"
		if k.Sent {
			whose = "ours"
		}
		fmt.Printf("%s  %-6s  %s\n", k.CreatedAt.UTC().Format(time.RFC3339), whose, k.ID)
	}
	return err
}

type evidenceShowCommand struct {
	Name string `name:"database" placeholder:"NAME" help:"Database on the server, such as localserve's flattrd_a_8480."`
	ID   string `arg:"" help:"As listed."`
}

// Run prints the document.
func (c evidenceShowCommand) Run(ctx context.Context, d *Database) error {
	b, err := openBooks(ctx, d, c.Name, nil)
	if err != nil {
		return err
	}
	defer b.stop()
	body, err := federation.KeptDocument(ctx, b.pool, c.ID)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(body)
	return err
}

type evidenceLinesCommand struct {
	Name  string `name:"database" placeholder:"NAME" help:"Database on the server, such as localserve's flattrd_a_8480."`
	Claim string `arg:"" help:"Id of a claim, ours or a peer's."`
}

// Run prints the lines in canonical form: what the digest is over.
func (c evidenceLinesCommand) Run(ctx context.Context, d *Database) error {
	b, err := openBooks(ctx, d, c.Name, nil)
	if err != nil {
		return err
	}
	defer b.stop()
	claim, err := b.ClaimDocument(ctx, c.Claim)
	if err != nil {
		return err
	}
	lines, err := federation.CanonicalLines(claim.Lines)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(lines)
	return err
}

type evidenceVerifyCommand struct {
	Name  string `name:"database" placeholder:"NAME" help:"Database on the server, such as localserve's flattrd_a_8480."`
	File  string `arg:"" help:"The document; - is standard input."`
	Key   string `placeholder:"MULTIKEY" help:"Public key to check with (z6Mk…). Without it, the key that the document names is looked up in the books."`
	Lines string `type:"existingfile" placeholder:"FILE" help:"The lines of a claim that names only their digest, as 'evidence lines' prints them."`
}

// Run prints what the document proves, as JSON; the exit status tells whether it does.
func (c evidenceVerifyCommand) Run(ctx context.Context, d *Database) error {
	doc, err := readFile(c.File)
	if err != nil {
		return err
	}
	var lines []byte
	if c.Lines != "" {
		if lines, err = os.ReadFile(c.Lines); err != nil {
			return err
		}
	}
	key := c.Key
	if key == "" {
		if key, err = c.lookUp(ctx, d, doc); err != nil {
			return err
		}
	}
	proven, err := federation.VerifyEvidence(doc, key, lines)
	if err != nil {
		return fmt.Errorf("%s proves nothing: %w", c.File, err)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(proven)
}

func (c evidenceVerifyCommand) lookUp(ctx context.Context, d *Database, doc []byte) (string, error) {
	b, err := openBooks(ctx, d, c.Name, nil)
	if err != nil {
		return "", err
	}
	defer b.stop()
	return federation.KeyOf(ctx, b.pool, b.Ledger, doc)
}

// maxEvidence bounds what is read of a document.
const maxEvidence = 1 << 20

func readFile(name string) ([]byte, error) {
	in := os.Stdin
	if name != "-" {
		var err error
		if in, err = os.Open(name); err != nil {
			return nil, err
		}
		defer in.Close()
	}
	doc, err := io.ReadAll(io.LimitReader(in, maxEvidence+1))
	if err == nil && len(doc) > maxEvidence {
		err = errors.New("no document about money has more than a MiB")
	}
	return doc, err
}
