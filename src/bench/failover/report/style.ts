/**
 * How the report looks: on a screen by day, by night, and on paper. Rule: every colour is a variable
 * with a value for each, nothing is loaded from anywhere, and no meaning hangs on colour alone.
 */
const LIGHT = `
  --paper: #ffffff; --panel: #f6f7f9; --well: #eef1f4; --line: #dde2e8; --faint: #eceff3;
  --ink: #171c22; --soft: #5a6572; --good: #14713f; --good-soft: #e3f4ea;
  --bad: #b3261e; --bad-soft: #fbe9e7;
  --noticing: #e08a1e; --promoting: #b4bdc8; --moving: #2f6bde;
  --gap-answered: #e9a13b; --gap-error: #cf3f37; --gap-never: #6a1b4d;
  --subject-0: #2f6bde; --subject-1: #c2591a; --subject-2: #128a70; --subject-3: #8450c4;
  --subject-4: #64748b; --subject-5: #a8326e;`

const DARK = `
  --paper: #11151a; --panel: #191f26; --well: #1f2730; --line: #303a45; --faint: #222a33;
  --ink: #e8ecf1; --soft: #9ba8b6; --good: #58c98c; --good-soft: #15301f;
  --bad: #ff8a80; --bad-soft: #3a1a18;
  --noticing: #efa544; --promoting: #566372; --moving: #6b9bff;
  --gap-answered: #e9a94e; --gap-error: #f26a61; --gap-never: #d879ac;
  --subject-0: #6b9bff; --subject-1: #f0935a; --subject-2: #3fc2a3; --subject-3: #b48cf0;
  --subject-4: #94a3b8; --subject-5: #ec7fb4;`

const SUBJECTS = [0, 1, 2, 3, 4, 5]
  .map(
    (n) =>
      `.subject-${n} { fill: var(--subject-${n}); stroke: var(--subject-${n}); color: var(--subject-${n}); }`,
  )
  .join('\n')

export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 1060px; margin: 0 auto; padding: 40px 28px 72px; }
header p { max-width: none; }
header { border-bottom: 1px solid var(--line); padding-bottom: 22px; margin-bottom: 26px; }
.over { color: var(--soft); font-size: 13px; letter-spacing: .08em; text-transform: uppercase; }
h1 { font-size: 32px; line-height: 1.2; margin: 6px 0 6px; letter-spacing: -.015em; }
h2 { font-size: 22px; margin: 52px 0 6px; letter-spacing: -.01em; }
h3 { font-size: 16px; margin: 34px 0 8px; }
h4 { font-size: 14px; margin: 18px 0 2px; display: flex; gap: 8px; align-items: center; }
p { margin: 6px 0; max-width: 78ch; }
.soft, figcaption { color: var(--soft); }
.lead { font-size: 17px; line-height: 1.5; max-width: 70ch; margin: 10px 0 18px; }
.lead b { font-weight: 650; }
figure { margin: 8px 0 20px; }
figcaption { font-size: 13px; margin-top: 4px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(188px, 1fr)); gap: 12px; margin: 16px 0 8px; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px 12px; }
.card .what { font-size: 13px; color: var(--soft); line-height: 1.35; min-height: 2.7em; }
.card .value { font-size: 29px; font-weight: 650; letter-spacing: -.02em; line-height: 1.2; margin-top: 4px; }
.card .more { font-size: 13px; color: var(--soft); margin-bottom: 8px; }
.card dl { margin: 0; font-size: 13px; display: grid; grid-template-columns: 1fr auto; gap: 1px 10px; border-top: 1px solid var(--line); padding-top: 7px; }
.card dt { color: var(--soft); } .card dd { margin: 0; text-align: right; white-space: nowrap; }
table { border-collapse: collapse; width: 100%; font-size: 14px; margin: 8px 0; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: 12.5px; vertical-align: bottom; line-height: 1.3; }
th, td { padding: 7px 10px 7px 0; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; padding-right: 0; padding-left: 10px; white-space: nowrap; }
th.n { white-space: normal; min-width: 4.2em; }
tr.first td { font-weight: 600; }
.wide { overflow-x: auto; }
.good { color: var(--good); } .bad { color: var(--bad); }
.verdicts { list-style: none; margin: 14px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 8px; }
.verdicts li { border-radius: 999px; padding: 3px 12px; font-size: 13px; }
.verdicts .met { background: var(--good-soft); color: var(--good); }
.verdicts .missed { background: var(--bad-soft); color: var(--bad); }
.note { border-left: 3px solid var(--noticing); padding: 4px 14px; background: var(--panel); font-size: 14px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--soft); margin: 6px 0 2px; }
.legend i, .dot { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; background: currentColor; }
.legend .noticing { background: var(--noticing); } .legend .promoting { background: var(--promoting); }
.legend .moving { background: var(--moving); }
.legend .answered { background: var(--gap-answered); } .legend .error { background: var(--gap-error); }
.legend .never { background: var(--gap-never); }
.legend .well { background: var(--well); border: 1px solid var(--line); }
.dot { border-radius: 50%; flex: none; margin: 0; }
dl.pairs { display: grid; grid-template-columns: max-content 1fr; gap: 5px 22px; font-size: 14px; margin: 8px 0; }
dl.pairs dt { color: var(--soft); } dl.pairs dd { margin: 0; overflow-wrap: anywhere; }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; overflow-x: auto; white-space: pre-wrap; }
footer { margin-top: 56px; border-top: 1px solid var(--line); padding-top: 12px; font-size: 13px; color: var(--soft); }

text { font-size: 13px; fill: var(--ink); stroke: none; }
text.small { font-size: 12.5px; fill: var(--soft); } text.tiny { font-size: 11px; fill: var(--soft); }
text.name { font-weight: 600; } text.end { text-anchor: end; } text.middle { text-anchor: middle; }
text.worry { fill: var(--bad); font-weight: 600; }
text.code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
rect.noticing { fill: var(--noticing); } rect.promoting { fill: var(--promoting); } rect.moving { fill: var(--moving); }
rect.other { fill-opacity: .68; } rect.promoting.other { fill-opacity: 1; }
.mark path { fill: none; stroke: var(--soft); stroke-width: 1; }
.lens { fill: var(--faint); stroke: none; }
.grid { stroke: var(--line); stroke-width: 1; fill: none; } .grid.faint { stroke: var(--faint); }
.grid.over { stroke-opacity: .7; }
.well { fill: var(--well); }
.gap-answered { fill: var(--gap-answered); } .gap-error { fill: var(--gap-error); } .gap-never { fill: var(--gap-never); }
.moment { stroke: var(--ink); stroke-width: 1.4; fill: none; } .dashed { stroke-dasharray: 4 3; }
.whisker { stroke-width: 1.5; fill: none; }
svg rect { stroke: none; }
${SUBJECTS}

@media screen and (max-width: 700px) {
  main { padding: 24px 16px 48px; } h1 { font-size: 25px; }
  figure { overflow-x: auto; } figure svg { min-width: 660px; }
}
@media print {
  :root { color-scheme: light; ${LIGHT} }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 9.5pt; } main { max-width: none; padding: 0; }
  h1 { font-size: 19pt; } h2 { font-size: 14pt; margin-top: 26pt; } h3 { font-size: 11pt; margin-top: 16pt; }
  .lead { font-size: 10.5pt; max-width: none; }
  .cards { grid-template-columns: repeat(5, 1fr); gap: 5px; }
  .card { padding: 7px 8px 5px; } .card .value { font-size: 15pt; }
  .card .what, .card .more, .card dl { font-size: 7.5pt; }
  table { font-size: 7.8pt; } th { font-size: 7.2pt; }
  th, td { padding: 3px 4px 3px 0; } td.n, th.n { padding-left: 4px; } th.n { min-width: 0; }
  dl.pairs { font-size: 8.5pt; gap: 3px 14px; }
  figure, .card, table, h4, dl.pairs { break-inside: avoid; } h2, h3, h4 { break-after: avoid; }
  h2.fault { break-before: page; } h2.fault.one { break-before: auto; }
  .wide { overflow: visible; }
}
@page { margin: 14mm; }
`
