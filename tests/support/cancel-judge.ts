/**
 * Who may have been hit by which cancel request. Statements and requests are written down with the
 * order in which the test saw them begin and end, which is one clock for all. Rule: a statement of a
 * client may fail with 57014 only when a request for that very client, with the right secret, was
 * under way at some moment while the statement was: it began before the statement was answered, and
 * it ended (Weir closed its connection) after the statement was sent. Each request explains one
 * failure at most.
 */

/** One statement, or what stands in its place: everything up to one ReadyForQuery. */
export interface Tried {
  readonly client: number
  readonly number: number
  readonly sent: number
  answered: number
  /** SQLSTATE of its error; undefined when it succeeded. */
  code: string | undefined
  /** What the error said besides. */
  detail: string | undefined
}

export interface Requested {
  readonly client: number
  /** False: it was sent with a wrong secret and must do nothing. */
  readonly right: boolean
  readonly began: number
  ended: number
}

export interface Verdict {
  /** Requests that ended a statement, and those of them that found it in the queue. */
  readonly hit: number
  readonly queued: number
  /** Requests that were made while a statement was under way, which succeeded all the same. */
  readonly late: number
  /** Requests that came when their client had nothing under way. */
  readonly idle: number
  /** With a wrong secret. */
  readonly wrong: number
  /** 57014 that no request explains: somebody was hit who was not meant. */
  readonly strays: readonly Tried[]
}

export function judge(tried: readonly Tried[], requested: readonly Requested[]): Verdict {
  const total = { hit: 0, queued: 0, late: 0, idle: 0, strays: [] as Tried[] }
  const wrong = requested.filter((r) => !r.right).length
  const clients = new Set([...tried, ...requested].map((each) => each.client))
  for (const client of clients) {
    const own = tried.filter((t) => t.client === client).sort((a, b) => a.sent - b.sent)
    // Statements of a client follow one another: the request that ends first explains the first one.
    const open = requested
      .filter((r) => r.client === client && r.right)
      .sort((a, b) => a.ended - b.ended)
    for (const failure of own.filter((t) => t.code === '57014')) {
      const at = open.findIndex((r) => r.began < failure.answered && r.ended > failure.sent)
      if (at < 0) total.strays.push(failure)
      else {
        open.splice(at, 1)
        total.hit++
        if (failure.detail?.includes('still waiting') === true) total.queued++
      }
    }
    for (const left of open) {
      if (own.some((t) => t.sent < left.began && left.began < t.answered)) total.late++
      else total.idle++
    }
  }
  return { ...total, wrong }
}
