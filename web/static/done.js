// Tells the page that opened the popup what became of the click, and closes it.
const done = document.getElementById('done');
const {id, state, count, origin} = done.dataset;
if (window.opener && origin) {
  window.opener.postMessage({flattr: 1, id, s: state, n: +count}, origin);
  setTimeout(() => window.close(), state === 'cancelled' ? 0 : 1200);
}
