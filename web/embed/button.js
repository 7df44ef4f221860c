// <flattr-button><a rel="payment" href="https://c.example/f/…">Flattr</a></flattr-button>
// Licence: Apache-2.0. Attributes: count, load="visible|click|none", theme="auto|light|dark",
// lang, size="m|l". Parts: link, label, count. Event: "flattr" {state, count}. No cookie, no storage.
(() => {
  const words = {
    en: {flattrs: ' flattrs', opens: ', opens a window', done: 'Flattred', thanks: 'Thank you!', pending: 'On its way',
      held: 'Kept for the author', kept: 'Kept at your home', inactive: 'Not accepting flattrs', offline: 'Not reachable'},
    de: {flattrs: ' Flattrs', opens: ', öffnet ein Fenster', done: 'Geflattrt', thanks: 'Danke!', pending: 'Unterwegs',
      held: 'Wird aufgehoben', kept: 'Zu Hause aufgehoben', inactive: 'Nimmt keine Flattrs an', offline: 'Nicht erreichbar'}
  };
  const css = `:host{display:inline-block;vertical-align:middle;--p:#0d5560;--t:#fff;--c:#fbf8f2;--i:#12393e}
:host([theme=dark]){--p:#8fd3cb;--t:#0e2225;--c:#152a2d;--i:#e9e4d8}
@media(prefers-color-scheme:dark){:host(:not([theme=light])){--p:#8fd3cb;--t:#0e2225;--c:#152a2d;--i:#e9e4d8}}
a{display:inline-flex;align-items:stretch;min-block-size:34px;border:1px solid var(--p);border-radius:5px;overflow:hidden;
font:600 14px/1 system-ui,sans-serif;text-decoration:none;background:var(--p);color:var(--t)}
:host([size=l]) a{min-block-size:44px;font-size:16px}
a:focus-visible{outline:3px solid var(--p);outline-offset:2px}
b,i{display:flex;align-items:center;padding-inline:10px;font:inherit}
b{gap:8px}u{text-decoration:none}
svg{inline-size:14px;block-size:14px;fill:currentColor}
i{min-inline-size:6ch;box-sizing:border-box;justify-content:center;background:var(--c);color:var(--i);font-variant-numeric:tabular-nums}
:host([state=inactive]),:host([state=offline]){--p:#5d6868;--t:#fff}
:host([state=held]) b{background:var(--c);color:var(--i)}
:host([state=pending]) svg{animation:p 1.2s infinite alternate}
@keyframes p{to{opacity:.3}}
@media(prefers-reduced-motion){svg{animation:none!important}}
@media(forced-colors:active){a{border-color:LinkText}}
span{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%)}`;
  const make = (name, part) => {
    const e = document.createElement(name);
    if (part) e.setAttribute('part', part);
    return e;
  };
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  const seen = window.IntersectionObserver && new IntersectionObserver((all) => {
    for (const e of all) if (e.isIntersecting) { seen.unobserve(e.target); e.target.refresh(); }
  }, {rootMargin: '200px'});

  customElements.get('flattr-button') || customElements.define('flattr-button', class extends HTMLElement {
    connectedCallback() {
      // A script in the head runs before the link is parsed: wait for it.
      this.querySelector('a') ? this.start() : requestAnimationFrame(() => this.isConnected && this.connectedCallback());
    }
    start() {
      if (this.link) return;
      const from = this.querySelector('a');
      this.url = new URL(from.href);
      this.lang_ = /^de/i.test(this.lang || this.closest('[lang]')?.lang || navigator.language) ? 'de' : 'en';
      this.words = words[this.lang_];
      const root = this.attachShadow({mode: 'open'});
      root.adoptedStyleSheets = [sheet];
      this.link = make('a', 'link');
      this.link.href = from.href;
      this.link.rel = 'payment';
      this.label = make('b', 'label');
      this.text = make('u');
      this.text.textContent = from.textContent.trim() || 'Flattr';
      this.number = make('i', 'count');
      this.said = make('span');
      this.said.setAttribute('role', 'status');
      this.label.append(this.icon(), this.text);
      this.link.append(this.label, this.number);
      root.append(this.link, this.said);
      this.link.addEventListener('click', (e) => this.open(e));
      this.paint(this.getAttribute('state') || 'idle', +this.getAttribute('count') || null);
      const load = this.getAttribute('load') || 'visible';
      if (load === 'visible') seen ? seen.observe(this) : this.refresh();
    }
    icon() {
      const ns = 'http://www.w3.org/2000/svg', svg = document.createElementNS(ns, 'svg');
      svg.setAttribute('viewBox', '0 0 14 14');
      svg.setAttribute('aria-hidden', 'true');
      const d = document.createElementNS(ns, 'path');
      d.setAttribute('d', 'M0 0h4v4H0zM5 0h4v4H5zM10 0h4v4h-4zM0 5h4v4H0zM5 5h4v4H5zM0 10h4v4H0z');
      svg.append(d);
      return svg;
    }
    paint(state, n) {
      // Cached answers lag: never show less than was shown before.
      if (n !== null) this.n = Math.max(this.n || 0, n);
      this.setAttribute('state', state);
      const count = this.n === undefined ? '–' : compact(this.lang_, this.n);
      this.number.textContent = count;
      if (state === 'flattred') this.text.textContent = this.words.done;
      this.link.setAttribute('aria-label', `${this.text.textContent} ${count}${this.words.flattrs}${this.words.opens}`);
      this.link.title = this.words[state] || '';
    }
    tell(state, n) {
      this.paint(state, n);
      this.said.textContent = `${this.words[state] || this.words.thanks} ${this.number.textContent}${this.words.flattrs}`;
      this.dispatchEvent(new CustomEvent('flattr', {bubbles: true, composed: true, detail: {state, count: this.n}}));
    }
    async refresh(fresh) {
      const at = new URL(this.url);
      at.pathname += '.json';
      try {
        const answer = await fetch(at, {credentials: 'omit', cache: fresh ? 'no-cache' : 'default'});
        const {n, s} = await answer.json();
        this.paint(s === 'active' ? (this.mine || 'idle') : s, n);
      } catch {
        this.paint(this.mine || 'offline', null);
      }
    }
    open(e) {
      if (e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
      const popup = window.open(this.url, 'flattr', 'popup,width=480,height=680');
      if (!popup) return; // blocked: the link opens instead
      e.preventDefault();
      const before = this.n;
      const hear = (m) => {
        if (m.origin !== this.url.origin || m.source !== popup || m.data?.flattr !== 1) return;
        if (m.data.s !== 'cancelled') {
          this.mine = m.data.s;
          this.tell(m.data.s, m.data.n);
        }
      };
      addEventListener('message', hear);
      // The popup may lose its opener on the way; then only its closing is seen.
      const watch = setInterval(() => {
        if (!popup.closed) return;
        clearInterval(watch);
        [0, 1, 4, 10, 25].forEach((s) => setTimeout(async () => {
          if (s === 25) removeEventListener('message', hear);
          await this.refresh(true);
          if (!this.mine && this.n > before) this.tell(this.mine = 'flattred', this.n);
        }, s * 1000));
      }, 500);
    }
  });

  function compact(lang, n) {
    const tenths = (d) => (Math.floor(n / d) / 10).toLocaleString(lang);
    if (n < 1e5) return n.toLocaleString(lang);
    if (n < 1e6) return tenths(100) + (lang === 'de' ? ' Tsd.' : 'k');
    return tenths(1e5) + (lang === 'de' ? ' Mio.' : 'M');
  }
})();
