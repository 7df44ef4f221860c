// Shares the landing page's budget as it is typed: the server's form does the same without it.
const form = document.getElementById('split');
const {lang, currency} = form.dataset;
const bar = document.getElementById('bar');
const money = (micro, digits) => new Intl.NumberFormat(lang,
  {style: 'currency', currency, minimumFractionDigits: 2, maximumFractionDigits: digits}).format(micro / 1e6);

function parse(typed) {
  const found = /^\s*(0|[1-9]\d{0,3})(?:[.,](\d{1,2}))?\s*$/.exec(typed);
  return found ? +found[1] * 1e6 + +((found[2] || '0').padEnd(2, '0')) * 1e4 : 0;
}

function show() {
  const budget = parse(form.budget.value), n = +form.clicks.value;
  document.getElementById('n').textContent = n;
  if (!budget) return;
  const each = Math.floor(budget / n);
  const place = document.getElementById('each');
  const text = money(each, 6), rest = money(each, 6).match(/[.,](\d{2})(\d+)/);
  const amount = document.createElement('span');
  amount.className = 'money';
  if (rest) {
    const at = text.indexOf(rest[0]) + 3, small = document.createElement('small');
    small.textContent = rest[2];
    amount.append(text.slice(0, at), small, text.slice(at + rest[2].length));
  } else amount.textContent = text;
  place.replaceChildren(amount);
  document.getElementById('rest').hidden = budget % n === 0;
  while (bar.children.length > n) bar.lastChild.remove();
  while (bar.children.length < n) {
    const part = document.createElement('li');
    part.className = `hue${bar.children.length % 8}`;
    bar.append(part);
  }
}

form.addEventListener('input', show);
form.addEventListener('submit', (e) => { e.preventDefault(); show(); });
document.getElementById('show').hidden = true;
