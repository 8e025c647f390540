/**
 * Watches for the first server connection that a new writer lends, and for its first answer. Rule:
 * it stands on the byte path only while it watches; before and after that nothing of it is there.
 */
import type { Clock } from '../core/clock.ts'
import type { Route, Router } from '../endpoint/router.ts'
import type { Latency, ServerConnection } from '../server/server-connection.ts'
import type { GrantEvents } from './planes.ts'

export interface FirstAnswersParts {
  readonly router: Pick<Router<ServerConnection>, 'onGranted'>
  readonly clock: Clock
}

export class FirstAnswers {
  #parts: FirstAnswersParts
  #watched = new Map<ServerConnection, Latency | undefined>()

  constructor(parts: FirstAnswersParts) {
    this.#parts = parts
  }

  watch(node: string, events: GrantEvents): void {
    this.unwatch()
    this.#parts.router.onGranted = (server, route) => this.#granted(server, route, node, events)
  }

  /** The byte path is as it was. */
  unwatch(): void {
    this.#parts.router.onGranted = undefined
    for (const [server, latency] of this.#watched) server.latency = latency
    this.#watched.clear()
  }

  #granted(
    server: ServerConnection,
    { endpoint, purpose }: Route<ServerConnection>,
    node: string,
    events: GrantEvents,
  ): void {
    // Nobody asked for what listens for all clients: it comes back by itself.
    if (endpoint.rule.kind === 'reader' || purpose !== undefined || server.node !== node) return
    const { clock } = this.#parts
    events.borrowed(clock.monotonic())
    if (this.#watched.has(server)) return
    const { latency } = server
    this.#watched.set(server, latency)
    server.latency = {
      record: (ms, at) => {
        latency?.record(ms, at)
        events.replied(clock.monotonic())
      },
    }
  }
}
