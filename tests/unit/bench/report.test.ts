import { expect, test } from 'vitest'
import { countText, lastedText, spanText } from '../../../src/bench/failover/report/figures.ts'
import { reportHtml } from '../../../src/bench/failover/report/html.ts'
import { html } from '../../../src/bench/failover/report/markup.ts'
import { stripsPicture, windowOf } from '../../../src/bench/failover/report/strips-picture.ts'
import { summaryText } from '../../../src/bench/failover/report/summary.ts'
import {
  faultViews,
  fromFault,
  inOrder,
  leadOf,
  roundsToShow,
  subjectNames,
  worstGap,
} from '../../../src/bench/failover/report/view.ts'
import type { FailoverResult, Round } from '../../../src/bench/failover/result.ts'
import { madeUpResult } from './report-fixture.ts'

const result = madeUpResult()
const page = reportHtml(result)
/** What a person reads: no markup, no style, no data for programs. */
const text = readable(page)

function readable(markup: string): string {
  return markup
    .replace(/<(style|script)[^>]*>.*?<\/\1>/gs, '')
    .replace(/<[^>]+>/g, ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replace(/[ \t\n]+/g, ' ')
}

test('spans have as many digits as were measured and always a unit', () => {
  const spans = [0, 0.04, 3.44, 9.96, 412.4, 999.6, 1_240, 9_996, 15_100, 99_960, 130_000]
  expect(spans.map(spanText)).toEqual([
    '0 ms',
    '0 ms',
    '3.4 ms',
    '10 ms',
    '412 ms',
    '1.00 s',
    '1.24 s',
    '10.0 s',
    '15.1 s',
    '100 s',
    '130 s',
  ])
  expect(spanText(undefined)).toBe('–')
  expect(countText(1_234_567)).toBe('1\u202f234\u202f567')
  expect(lastedText(252_000)).toBe('4 min 12 s')
})

test('the report holds every figure of every subject', () => {
  for (const {
    writeGap,
    readGap,
    transactionGap,
    firstWrite,
    everyWrite,
    ...s
  } of result.subjects) {
    for (const figures of [writeGap, readGap, transactionGap, firstWrite, everyWrite]) {
      for (const value of [figures?.p50, figures?.p99, figures?.max]) {
        expect(text).toContain(spanText(value))
      }
    }
    for (const [arrow, span] of Object.entries(s.arrows)) {
      expect(text, arrow).toContain(spanText(span.p90))
    }
    for (const [code, count] of Object.entries(s.errors)) {
      expect(text).toMatch(new RegExp(`${code} .*${countText(count)}`))
    }
    expect(text).toContain(s.description)
    expect(text).toContain(countText(s.verdict.acknowledged))
  }
  for (const [name, value] of Object.entries({ ...result.settings, ...result.machine })) {
    expect(text).toContain(`${name} ${value === true ? 'yes' : value}`)
  }
  expect(text).toContain(result.command)
})

test('the first lines of the report say what happened', () => {
  expect(text).toContain('Writer killed: weir beside direct and pgbouncer')
  expect(text).toContain('40 writers, 12 transactions, 24 readers, 4 listeners, 80 idle clients')
  expect(text).toContain('None of 800 idle connections was dropped.')
  expect(text).toContain('acknowledged writes are there, each once.')
  expect(text).toContain('✓ gap_p99<1s')
})

test('the report says a loss as plainly as a success', () => {
  const bad: FailoverResult = {
    ...result,
    subjects: result.subjects.map((s) => ({
      ...s,
      droppedByKind: { ...s.droppedByKind, idle: 7 },
      verdict: { ...s.verdict, lost: 3, duplicates: 2, contradicted: 1 },
    })),
    expectations: [
      { text: 'lost=0', subject: 'weir', fault: 'kill', actual: 3, met: false },
      { text: 'gap_p99<1s', subject: 'weir', fault: 'kill', actual: undefined, met: false },
    ],
  }
  const said = readable(reportHtml(bad))
  expect(said).toContain('7 of 800 idle connections were dropped.')
  expect(said).toMatch(
    /Of .{1,9} acknowledged writes: 3 acknowledged writes are lost, 2 are there twice, 1 that were refused are there nevertheless\./,
  )
  expect(said).not.toContain('each once.')
  expect(said).toMatch(/✗ lost=0 \(weir: 3\)/)
  expect(said).toMatch(/✗ gap_p99<1s \(weir: not measured\)/)
})

test('a round in which the instrument failed is named and drawn nowhere', () => {
  expect(text).toContain('1 round not counted')
  expect(text).toContain('direct 4 (the lab could not promote in 30 s)')
  const [view] = faultViews(result)
  const direct = view?.subjects.find(({ summary }) => summary.subject === 'direct')
  expect(direct?.rounds.map((round) => round.number)).not.toContain(4)
  expect(direct?.rounds).toHaveLength(9)
})

test('the report loads nothing and runs nothing', () => {
  expect(page).not.toMatch(/\b(src|href)\s*=|@import|url\(/)
  const scripts = page.match(/<script[^>]*>/g)
  expect(scripts).toEqual(['<script type="application/json" id="weir-failover">'])
  expect(page).not.toMatch(/\son\w+\s*=/)
})

test('the data in the report is the result without its clients', () => {
  const [, json = ''] = /id="weir-failover">(.*?)<\/script>/s.exec(page) ?? []
  const data = JSON.parse(json)
  expect(data.subjects).toEqual(JSON.parse(JSON.stringify(result.subjects)))
  expect(data.rounds[0].clients).toBe(160)
})

test('nothing that a subject or a node says can break out of its place', () => {
  const evil = '</script><img src=x onerror=alert(1)>"\''
  const hostile: FailoverResult = {
    ...result,
    command: evil,
    settings: { [evil]: evil },
    subjects: result.subjects.map((s) => ({ ...s, description: evil, errors: { [evil]: 3 } })),
    rounds: result.rounds.map((round) => ({
      ...round,
      victim: evil,
      invalid: round.invalid && evil,
    })),
  }
  const drawn = reportHtml(hostile)
  expect(drawn).not.toContain('<img')
  expect(drawn.match(/<\/script>/g)).toHaveLength(1)
  expect(readable(drawn)).toContain(evil)
  expect(html`<b title="${'"&<>'}">${['a<', html`<i>b</i>`, undefined, false]}</b>`.text).toBe(
    '<b title="&quot;&amp;&lt;&gt;">a&lt;<i>b</i></b>',
  )
})

test('a report without any good round is still a report', () => {
  const rounds: Round[] = result.rounds.map((round) => ({ ...round, invalid: 'no lab' }))
  const none = {
    writeGap: undefined,
    readGap: undefined,
    transactionGap: undefined,
    firstWrite: undefined,
    everyWrite: undefined,
    outage: undefined,
    stall: undefined,
  }
  const subjects = result.subjects.map((s) => ({
    ...s,
    ...none,
    arrows: {},
    errors: {},
    rounds: 0,
  }))
  const said = readable(reportHtml({ ...result, rounds, subjects }))
  expect(said).toContain('No round of weir counts: the instrument failed in each.')
  const text = summaryText({ ...result, rounds, subjects })
  const weir = text.split('\n').find((line) => line.startsWith('weir '))
  // Of none it is not known that nothing was lost.
  expect(weir).toMatch(/^weir +0( \(\d+ void\))?( +–){7}$/)
  expect(said).not.toMatch(/NaN|undefined|Infinity/)
})

test('no figure of the report is NaN, undefined or infinite', () => {
  const several = madeUpResult({ faults: ['kill', 'reader-kill', 'switchover'], rounds: 2 })
  for (const markup of [page, reportHtml(several)]) {
    expect(markup.replace(/<script.*<\/script>/s, '')).not.toMatch(/NaN|undefined|Infinity/)
  }
  expect(readable(reportHtml(several))).toContain('3 kinds of fault: weir beside direct')
})

test('Weir comes first where it took part, and each subject keeps its colour over all faults', () => {
  const backwards = { ...result, subjects: [...result.subjects].reverse() }
  expect(leadOf(backwards)).toBe('weir')
  expect(subjectNames(backwards)).toEqual(['weir', 'pgbouncer', 'direct'])
  const others = { ...result, subjects: result.subjects.filter((s) => s.subject !== 'weir') }
  expect(leadOf(others)).toBe('direct')
  const views = faultViews(madeUpResult({ faults: ['kill', 'freeze'], rounds: 1 }))
  expect(views.map((view) => view.subjects.map((s) => s.colour))).toEqual([
    [0, 1, 2],
    [0, 1, 2],
  ])
})

test('the timeline in the middle is the middle of each milestone that most rounds know', () => {
  const times = [10, 30, 20]
  const [model] = result.rounds
  const rounds = times.map((ms, i) => ({
    ...(model as Round),
    timeline: { fault: 1_000, 'first-reply': 1_000 + ms, ...(i === 0 ? { down: 1_005 } : {}) },
  }))
  const [view] = faultViews({ ...result, rounds })
  expect(view?.subjects[0]?.median).toEqual({ fault: 0, 'first-reply': 20 })
  expect(fromFault({ timeline: { down: 5 } })).toEqual({})
  const order = inOrder({ fault: 0, down: 30, promoted: 20, observed: 30 })
  expect(order.map(({ name }) => name)).toEqual(['fault', 'promoted', 'down', 'observed'])
})

test('the typical round is the one in the middle, the worst the one with the longest gap', () => {
  const rounds = result.rounds.filter((round) => round.subject === 'weir')
  const { typical, worst } = roundsToShow(rounds)
  const gaps = rounds.map(worstGap).sort((a, b) => a - b)
  expect(worst && worstGap(worst)).toBe(gaps.at(-1))
  expect(typical && worstGap(typical)).toBe(gaps[4])
  expect(roundsToShow([])).toEqual({})
})

test('a strip is drawn for each gap, and the window holds all of them', () => {
  const round = result.rounds.find(({ subject }) => subject === 'direct') as Round
  const fault = round.timeline.fault ?? 0
  const gaps = round.clients.flatMap((client) => client.gaps)
  const window = windowOf([round])
  expect(window.to).toBeGreaterThan(Math.max(...gaps.map((gap) => gap.to)) - fault)
  expect(window.from).toBeLessThan(Math.min(...gaps.map((gap) => gap.from)) - fault)
  const drawn = stripsPicture(round, window).text
  const paths = [...drawn.matchAll(/class="gap-\w+" d="([^"]*)"/g)].map(([, path]) => path ?? '')
  expect(paths.join('').match(/M/g)).toHaveLength(gaps.length)
})
