/** The looks and the one script of the admin page. Rule: nothing is fetched from elsewhere. */

export const STYLE = `
:root { color-scheme: light dark; --ink: #1d2429; --dim: #5d6971; --line: #d9dfe3; --paper: #fbfcfc;
  --good: #1a7f4b; --bad: #b3261e; --warn: #9a6700; --bar: #2f7fb8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ec; --dim: #95a3ac; --line: #313a41;
  --paper: #14181b; --good: #4cc38a; --bad: #ff8a80; --warn: #e0b04b; --bar: #58a6d8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1.25rem 3rem; background: var(--paper);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0; } h2 { font-size: 1rem; margin: 1.9rem 0 .45rem; }
p.sub { margin: .15rem 0 0; color: var(--dim); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; min-width: 30rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .32rem 1.6rem .32rem 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; vertical-align: top; }
th { color: var(--dim); font-weight: 500; font-size: .85rem; }
td.n, th.n { text-align: right; } td.wide { white-space: normal; min-width: 16rem; color: var(--dim); }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.none { color: var(--dim); }
.bar { display: inline-block; width: 5rem; height: .55rem; margin-right: .5rem; border-radius: 2px;
  background: var(--line); overflow: hidden; } .bar i { display: block; height: 100%;
  background: var(--bar); }
.steps { display: flex; width: 23rem; height: .8rem; margin-top: .3rem; border-radius: 2px;
  background: var(--line); overflow: hidden; } .steps i { display: block; min-width: 2px; }
.legend { width: 23rem; white-space: normal; color: var(--dim); font-size: .8rem; }
td.told { white-space: normal; }
.legend span { display: inline-block; margin-right: .8rem; white-space: nowrap; }
.legend i { display: inline-block; width: .6rem; height: .6rem; margin-right: .3rem; border-radius: 2px; }
.to-suspected { background: #b3261e; } .to-down { background: #e07b39; }
.to-promoted { background: #8b98a3; } .to-observed { background: #d9a441; }
.to-retired { background: #6a5acd; } .to-first-borrow { background: #2f7fb8; }
.to-first-reply { background: #1a7f4b; }
nav { margin-top: .5rem; } nav a { margin-right: 1rem; color: inherit; }
#stale { display: none; } body.stale #stale { display: inline; } body.stale main { opacity: .5; }
`

/** Every two seconds the server draws the tables again; the script only puts them in place. */
export const SCRIPT = `
const main = document.querySelector('main');
async function turn() {
  try {
    const reply = await fetch('/tables', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
    if (!reply.ok) throw new Error(String(reply.status));
    main.innerHTML = await reply.text();
    document.body.classList.remove('stale');
  } catch { document.body.classList.add('stale'); }
  setTimeout(turn, document.hidden ? 10000 : 2000);
}
setTimeout(turn, 2000);
`
