/**
 * Commands over HTTP: pause, resume, and who is writer as soon as it is another. Rule: no web page may
 * command: a browser sends `Origin` and `Sec-Fetch-Site`, and cannot send JSON to another site without
 * asking first, which nothing here answers. Each order is audited with whoever gave it.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Audit, type CommandEvent, noAudit } from '../core/audit.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import type { AdminCommands, OtherThan, PauseOrder, PauseTarget } from './orders.ts'
import type { Who } from './users.ts'

/** Routes that take POST. */
export const COMMANDS: readonly string[] = ['/pause', '/resume']

/** A pause of one hour is no pause any more. */
const LONGEST_MS = 3_600_000
const DEFAULT_MS = 30_000
const TEXT = 'text/plain; charset=utf-8'

/** Why a request may command nothing here, whoever sends it; undefined when it may. */
export function mayNotCommand(request: {
  readonly origin: string | undefined
  /** `Sec-Fetch-Site`, which only browsers send. */
  readonly site: string | undefined
  readonly contentType: string | undefined
}): string | undefined {
  const { origin, site, contentType = '' } = request
  if (origin !== undefined || site !== undefined) return 'Commands are not taken from web pages.'
  const [media = ''] = contentType.split(';')
  if (media.trim().toLowerCase() === 'application/json') return undefined
  return 'A command is a JSON object: send it with Content-Type: application/json.'
}

export interface CommandParts {
  readonly commands: AdminCommands
  /** Default: nothing is written down. */
  readonly audit?: Audit | undefined
  /** Whom a request comes from; undefined where there are no users. */
  readonly whoOf: (request: FastifyRequest) => Who | undefined
}

export function commandRoutes(app: FastifyInstance, parts: CommandParts): void {
  const { commands } = parts
  app.post('/pause', (request, reply) =>
    answer(reply, () =>
      audited(request, parts, pauseOrder, async (order) => {
        const paused = await commands.pause(order)
        return [paused, `${paused.what} paused, ${paused.lent} still lent`]
      }),
    ),
  )
  app.post('/resume', (request, reply) =>
    answer(reply, () =>
      audited(request, parts, resumeOrder, async (order) => {
        const resumed = commands.resume(order)
        const ended = resumed.ended.map(({ what }) => what).join(', ')
        return [resumed, ended === '' ? 'nothing was paused' : `${ended} resumed`]
      }),
    ),
  )
  app.get('/writer', (request, reply) =>
    answer(reply, async () => {
      const { than, withinMs } = writerQuestion(request)
      const writer = await commands.writer(than, withinMs)
      if (writer === null) throw new NoWriter('There is no such writer yet.')
      return writer
    }),
  )
}

/** What is audited of a request besides how it went. */
export function auditedRequest(
  request: FastifyRequest,
): Pick<CommandEvent, 'kind' | 'command' | 'source'> {
  const { remoteAddress: address, remotePort: port } = request.socket
  // Only paths that there are: what else is asked for is a stranger's text.
  const command = request.routeOptions.url?.slice(1) ?? 'unknown'
  return { kind: 'command', command, source: { address, port } }
}

async function audited<T extends object>(
  request: FastifyRequest,
  { audit = noAudit, whoOf }: CommandParts,
  read: (body: unknown) => T,
  work: (order: T) => Promise<[answer: object, inShort: string]>,
): Promise<object> {
  const event = { ...auditedRequest(request), user: whoOf(request)?.name }
  if (audit.closed !== undefined) throw new Unaudited(audit.closed.message)
  let order: T | undefined
  try {
    order = read(request.body)
    const [whole, inShort] = await work(order)
    audit.tell({ ...event, outcome: 'done', order, answer: inShort })
    return whole
  } catch (error) {
    audit.tell({ ...event, outcome: 'failed', order, answer: messageOf(error) })
    throw error
  }
}

class Unaudited extends Error {}
class BadOrder extends Error {}
class NoWriter extends Error {}

async function answer(reply: FastifyReply, work: () => Promise<object>): Promise<object | string> {
  try {
    return await work()
  } catch (error) {
    const code =
      error instanceof BadOrder
        ? 400
        : error instanceof NoWriter
          ? 504
          : error instanceof Unaudited
            ? 503
            : error instanceof WeirError && error.code === 'WEIR_NO_SUCH_TARGET'
              ? 404
              : undefined
    if (code === undefined) throw error
    reply.code(code).type(TEXT)
    return `${(error as Error).message}\n`
  }
}

const TARGET = ['node', 'endpoint'] as const
const ORDER = [...TARGET, 'follow', 'forMs', 'waitMs'] as const

function pauseOrder(body: unknown): PauseOrder {
  const fields = fieldsOf(body, ORDER)
  const { forMs = DEFAULT_MS, waitMs = 0, follow = false } = fields
  if (typeof follow !== 'boolean') throw new BadOrder('follow must be true or false.')
  return {
    ...target(fields),
    follow,
    forMs: milliseconds('forMs', forMs, 1),
    waitMs: milliseconds('waitMs', waitMs, 0),
  }
}

function resumeOrder(body: unknown): PauseTarget {
  return target(fieldsOf(body, TARGET))
}

function target({ node, endpoint }: Readonly<Record<string, unknown>>): PauseTarget {
  if (node !== undefined && endpoint !== undefined) {
    throw new BadOrder('Either a node or an endpoint, not both.')
  }
  return { node: nameOf('node', node), endpoint: nameOf('endpoint', endpoint) }
}

/** The body as an object that holds nothing unheard of: a mistyped name must not pause everything. */
function fieldsOf(body: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new BadOrder(`A JSON object is needed, with some of: ${known.join(', ')}.`)
  }
  for (const key of Object.keys(body)) {
    if (!known.includes(key)) throw new BadOrder(`No such field: ${key}. Use ${known.join(', ')}.`)
  }
  return body as Record<string, unknown>
}

function nameOf(field: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw new BadOrder(`${field} must be a name.`)
}

function milliseconds(field: string, value: unknown, least: number): number {
  if (typeof value === 'number' && value >= least && value <= LONGEST_MS) return value
  throw new BadOrder(`${field} must be a number of milliseconds from ${least} to ${LONGEST_MS}.`)
}

function writerQuestion(request: FastifyRequest): { than: OtherThan; withinMs: number } {
  const query = request.query as Readonly<Record<string, string | undefined>>
  const number = (field: string): number | undefined => {
    const value = query[field]
    return value === undefined ? undefined : milliseconds(field, Number(value), 0)
  }
  return {
    than: { not: query.not, timeline: number('timeline') },
    withinMs: Math.min(number('withinMs') ?? 0, 60_000),
  }
}
