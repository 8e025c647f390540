/**
 * The classifier against PostgreSQL's own parser: whatever the parse tree says a statement does to
 * its session, the bits and actions must say too. More texts: SQL_CORPUS names a folder of *.sql
 * files, such as PostgreSQL's src/test/regress/sql.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { loadModule } from 'libpg-query'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Action, actionsOf } from '../../src/protocol/postgres/sql/actions.ts'
import { classify } from '../../src/protocol/postgres/sql/classify.ts'
import {
  EFFECTS,
  effectsOf,
  SET,
  SET_LOCAL,
  UNSEEN,
} from '../../src/protocol/postgres/sql/effects.ts'
import { isPlain } from '../../src/protocol/postgres/sql/glance.ts'
import { statementsOf } from '../../src/protocol/postgres/sql/split.ts'
import { CORPUS } from '../unit/sql/corpus.ts'
import { statements } from '../unit/sql/grammar.ts'
import * as tree from '../unit/sql/tree.ts'

/** FUZZ_SEED takes another seed, FUZZ_RUNS more runs. */
const SEED = Number(process.env.FUZZ_SEED ?? 2_082_500_113)
const RUNS = Number(process.env.FUZZ_RUNS ?? 3_000)

beforeAll(() => loadModule())

/** Everything found wrong with one text, in words; empty when the classifier agrees. */
function complaints(text: string): string[] | undefined {
  const trees = tree.treeOf(text)
  if (trees === undefined) return undefined
  const bytes = Buffer.from(text)
  const seen = classify(bytes)
  const found: string[] = []
  const miss = (what: string): void => {
    found.push(`${what} in ${text}`)
  }
  if (seen.statements !== trees.length) miss(`${seen.statements} statements, not ${trees.length}`)

  const cut = statementsOf(bytes)
  if (cut.length !== trees.length) miss(`cut into ${cut.length}, not ${trees.length}`)
  trees.forEach(({ start, end }, i) => {
    const tokens = cut[i] ?? []
    const inside = tokens.length > 0 && tokens[0]!.start >= start && tokens.at(-1)!.end <= end
    if (!inside) miss(`statement ${i} cut in another place`)
  })

  for (const bits of trees.flatMap(tree.treeNeeds)) {
    if ((seen.bits & bits) === 0) miss(`no ${effectsOf(bits).join(' or ')}`)
  }
  const wants = trees.flatMap(tree.treeActions)
  const has = actionsOf(bytes).filter((action) => !fromCall(action, trees))
  if (JSON.stringify(has.map(brief)) !== JSON.stringify(wants)) {
    miss(`actions ${has.map(brief).join(', ')}, not ${wants.join(', ')}`)
  }
  for (const { name, local } of trees.flatMap(settingCalls)) {
    const told = actionsOf(bytes).some((action) => tellsOf(action, name))
    if (!told && !local) miss(`set_config of ${name} not told`)
    if (!local && (seen.bits & SET) === 0) miss('no set')
  }
  for (const call of trees.flatMap(calls)) {
    if (isKnown(call)) continue
    if ((seen.bits & UNSEEN) === 0) miss(`call of ${call} taken for seen`)
    if (seen.readOnly) miss(`call of ${call} taken for read-only`)
  }
  if (seen.readOnly) {
    const writes = trees.map(tree.treeWrites).find((what) => what !== undefined)
    if (writes !== undefined) miss(`${writes} taken for read-only`)
  }
  const flows = trees.map(tree.treeTransaction)
  const begins = flows.some((flow) => flow.begins)
  const ends = flows.some((flow) => flow.ends)
  const flow = begins && ends ? 'mixed' : begins ? 'begins' : ends ? 'ends' : 'none'
  if (seen.transaction !== flow) miss(`transaction ${seen.transaction}, not ${flow}`)
  if (isPlain(bytes, 0, bytes.length)) {
    const harm = seen.bits & ~(1 << EFFECTS.indexOf('temporary'))
    if (harm !== 0 || trees.length > 1 || trees.some((t) => tree.treeNeeds(t).length > 0)) {
      miss('taken for plain')
    }
  }
  return found
}

function brief(action: Action): string {
  switch (action.kind) {
    case 'set':
      return `${action.local ? 'local' : 'set'} ${action.name}`
    case 'listen':
      return `listen ${action.channel}`
    case 'unlisten':
      return `unlisten ${action.channel ?? '*'}`
    case 'discard':
      return `discard ${action.what}`
    case 'deallocate':
      return action.name === undefined ? 'deallocate-all' : `deallocate ${action.name}`
    case 'reset-all':
    case 'set-unknown':
      return action.kind
    default:
      return `${action.kind} ${action.name}`
  }
}

/** Actions of functions and of the view of settings; the others come of a statement's head. */
function fromCall(action: Action & { statement: number }, trees: tree.TreeStatement[]): boolean {
  if (action.kind === 'set-unknown') return true
  return action.kind === 'set' && trees[action.statement]?.kind !== 'VariableSetStmt'
}

/** Calls of set_config with the name if it is a constant, and whether provably local. */
function settingCalls(root: tree.TreeStatement): { name: string | undefined; local: boolean }[] {
  return [...tree.nodesOf(root)]
    .filter(([kind, node]) => kind === 'FuncCall' && tree.functionName(node) === 'set_config')
    .map(([, node]) => {
      const args = (node.args ?? []) as tree.Node[]
      const named = args.find((arg) => (arg.NamedArgExpr as tree.Node)?.name === 'setting_name')
      const name = constant(((named?.NamedArgExpr as tree.Node)?.arg as tree.Node) ?? args[0])
      const third = (args[2]?.A_Const as tree.Node)?.boolval as tree.Node | undefined
      return { name: name?.toLowerCase(), local: third?.boolval === true }
    })
}

function constant(node: tree.Node | undefined): string | undefined {
  // 'a'::text says what 'a' says.
  const cast = (node?.TypeCast as tree.Node)?.arg as tree.Node | undefined
  const value = ((cast ?? node)?.A_Const as tree.Node)?.sval as tree.Node | undefined
  return value === undefined ? undefined : String(value.sval ?? '')
}

function tellsOf(action: Action, name: string | undefined): boolean {
  if (action.kind === 'set-unknown') return true
  return action.kind === 'set' && action.name === name
}

function calls(root: tree.TreeStatement): string[] {
  return [...tree.nodesOf(root)]
    .filter(([kind, node]) => kind === 'FuncCall' && node.funcformat !== 'COERCE_SQL_SYNTAX')
    .map(([, node]) => {
      const schema = tree.functionSchema(node)
      return schema === '' || schema === 'pg_catalog'
        ? tree.functionName(node)
        : `${schema}.${tree.functionName(node)}`
    })
}

/** Keywords that may stand before a parenthesis, but are free to be names of functions. */
const KEYWORDS =
  'by cube filter first next over rollup sets partition rows within conflict materialized'

/** Called by its plain name, it is taken for a function of PostgreSQL that hides nothing. */
function isKnown(call: string): boolean {
  // What LIKE ... ESCAPE and SIMILAR TO are made of.
  if (call === 'like_escape' || call === 'similar_to_escape') return true
  if (KEYWORDS.split(' ').includes(call) || !/^[a-z_][a-z_0-9]*$/.test(call)) return false
  return (classify(Buffer.from(`SELECT ${call}(a)`)).bits & UNSEEN) === 0
}

describe('what the tree says, the bits say', () => {
  it('of every line of the corpus', () => {
    const all = CORPUS.map(([text]) => complaints(text))
    expect(all.flatMap((found) => found ?? [])).toEqual([])
    expect(all.filter((found) => found !== undefined).length).toBeGreaterThan(CORPUS.length * 0.8)
  })

  it('of statements made by chance', () => {
    let made = 0
    let parsed = 0
    const seen = { bits: 0 }
    fc.assert(
      fc.property(statements, (text) => {
        made++
        const found = complaints(text)
        if (found === undefined) return
        parsed++
        seen.bits |= classify(Buffer.from(text)).bits
        expect(found).toEqual([])
      }),
      { numRuns: RUNS, seed: SEED },
    )
    expect(parsed).toBeGreaterThan(made * 0.6)
    expect(effectsOf(seen.bits)).toEqual(EFFECTS)
  })

  it('of several statements in one text', () => {
    fc.assert(
      fc.property(fc.array(statements, { maxLength: 4 }), (texts) => {
        expect(complaints(texts.join(' ; ')) ?? []).toEqual([])
      }),
      { numRuns: RUNS / 6, seed: SEED },
    )
  })
})

const folder = process.env.SQL_CORPUS

if (folder !== undefined) {
  describe('files of SQL_CORPUS', () => {
    it('hold nothing that the tree says and the bits do not', () => {
      const files = readdirSync(folder).filter((name) => name.endsWith('.sql'))
      const counts = { files: files.length, statements: 0, parsed: 0, joined: 0, local: 0 }
      const found: string[] = []
      for (const file of files) {
        const text = withoutPsql(readFileSync(join(folder, file), 'utf8'))
        const bytes = Buffer.from(text)
        const good: string[] = []
        for (const tokens of statementsOf(bytes)) {
          counts.statements++
          const one = bytes.toString('utf8', tokens[0]!.start, tokens.at(-1)!.end)
          const wrong = complaints(one)
          if (wrong === undefined) continue
          counts.parsed++
          if (classify(Buffer.from(one)).bits & SET_LOCAL) counts.local++
          good.push(one)
          found.push(...wrong.map((w) => `${file}: ${w.slice(0, 400)}`))
        }
        if (good.length === 0) continue
        counts.joined += good.length
        const wrong = complaints(good.join(';\n')) ?? ['refused as a whole']
        found.push(...wrong.map((w) => `${file}: ${w.slice(0, 200)}`))
      }
      process.stdout.write(`${JSON.stringify(counts)}\n`)
      expect(found).toEqual([])
    }, 600_000)
  })
}

/** Without lines for psql itself and without the data of COPY. */
function withoutPsql(text: string): string {
  let data = false
  return text
    .split('\n')
    .filter((line) => {
      if (data) {
        data = line !== '\\.'
        return false
      }
      if (/^\s*copy\b.*\bfrom\s+stdin/i.test(line)) data = true
      return !line.startsWith('\\')
    })
    .map((line) => line.replace(/\\(g|gset|gexec|gdesc|crosstabview|gx)\b.*$/, ';'))
    .join('\n')
}
