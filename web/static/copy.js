// Puts a copy button on each snippet; without it the text is selected by hand.
const {copy, copied} = document.getElementById('copy').dataset;
for (const code of document.querySelectorAll('pre code')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'plain copy';
  button.textContent = copy;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = copied;
    setTimeout(() => { button.textContent = copy; }, 2000);
  });
  code.parentElement.after(button);
}
