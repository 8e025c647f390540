/**
 * Commands over HTTP: pause, resume, and who is writer as soon as it is another. Rule: only a process
 * of this machine may command, and no web page: a browser sends `Origin` and cannot send JSON to
 * another site without asking first, which nothing here answers.
 */
import { BlockList, isIP } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { WeirError } from '../core/errors.ts'
import type { AdminCommands, OtherThan, PauseOrder, PauseTarget } from './orders.ts'

/** Paths that take POST. */
export const COMMANDS: readonly string[] = ['/pause', '/resume']

/** A pause of one hour is no pause any more. */
const LONGEST_MS = 3_600_000
const DEFAULT_MS = 30_000
const TEXT = 'text/plain; charset=utf-8'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Why a request may command nothing here; undefined when it may. */
export function mayNotCommand(request: {
  readonly remoteAddress: string | undefined
  readonly origin: string | undefined
  readonly contentType: string | undefined
}): string | undefined {
  const { remoteAddress = '', origin, contentType = '' } = request
  const family = isIP(remoteAddress)
  // A dual-stack socket shows 127.0.0.1 as ::ffff:127.0.0.1, and the list knows.
  if (family === 0 || !LOOPBACK.check(remoteAddress, family === 4 ? 'ipv4' : 'ipv6')) {
    return 'Commands are taken from this machine only.'
  }
  if (origin !== undefined) return 'Commands are not taken from web pages.'
  const [media = ''] = contentType.split(';')
  if (media.trim().toLowerCase() === 'application/json') return undefined
  return 'A command is a JSON object: send it with Content-Type: application/json.'
}

export function commandRoutes(app: FastifyInstance, commands: AdminCommands): void {
  app.post('/pause', (request, reply) =>
    answer(reply, async () => commands.pause(pauseOrder(request.body))),
  )
  app.post('/resume', (request, reply) =>
    answer(reply, async () => commands.resume(target(fieldsOf(request.body, TARGET)))),
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
