/**
 * What a reader throws when bytes are not what the protocol says they are. Rule: readers throw
 * this and nothing else, so whoever feeds them needs one catch and closes one connection.
 */
export class ProtocolError extends Error {
  /** Always protocol_violation; what a client is told in ErrorResponse. */
  readonly sqlstate = '08P01'

  constructor(message: string) {
    super(message)
    this.name = 'ProtocolError'
  }
}
