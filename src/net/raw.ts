/**
 * What this house knows of Node's stream handles: the calls that `net.Socket` itself makes. Rule:
 * nothing outside `net/` imports this, and `rawStreams()` gives undefined where a runtime lacks a
 * piece, so that links then go through Node's own streams.
 *
 * Source: node lib/internal/stream_base_commons.js and src/stream_base.h (StreamBaseState).
 */
import type net from 'node:net'

export interface WriteRequest {
  oncomplete: ((this: WriteRequest, status: number) => void) | undefined
  /** Keeps the memory alive until the kernel has it. */
  held: Buffer | Buffer[] | undefined
}

export interface RawHandle {
  /** Called on the handle itself, so that one function serves all. */
  onread: (this: RawHandle, arrayBuffer: ArrayBuffer | undefined) => Buffer | undefined
  /** Ours: the link that reads from it. */
  link?: object
  readStart(): number
  readStop(): number
  useUserBuffer(buffer: Buffer): void
  writeBuffer(request: WriteRequest, buffer: Buffer): number
  writev(request: WriteRequest, chunks: Buffer[], allBuffers: true): number
  shutdown(request: object): number
  /** Bytes given to the kernel that it has not taken yet. */
  readonly writeQueueSize: number
  close(done?: () => void): void
  ref(): void
  unref(): void
  setNoDelay?(on: boolean): number
  setKeepAlive?(on: boolean, seconds: number): number
  getpeername?(out: { address?: string; port?: number }): number
}

export interface RawStreams {
  readonly state: Int32Array
  readonly kReadBytesOrError: number
  readonly kArrayBufferOffset: number
  readonly kBytesWritten: number
  readonly kLastWriteWasAsync: number
  readonly WriteWrap: new () => WriteRequest
  readonly ShutdownWrap: new () => { oncomplete: () => void }
  /** For the next write of anybody; most are done when the call returns, and need it no longer. */
  request: WriteRequest
}

type Binding = Partial<Record<string, unknown>>

/** The stream internals of this runtime, or undefined when any needed piece is missing. */
export function rawStreams(): RawStreams | undefined {
  if (process.env.WEIR_NET === 'streams') return undefined
  const binding = (process as unknown as { binding?: (name: string) => Binding }).binding
  if (typeof binding !== 'function') return undefined
  let b: Binding
  try {
    b = binding('stream_wrap')
  } catch {
    return undefined
  }
  const numbers = ['kReadBytesOrError', 'kArrayBufferOffset', 'kBytesWritten', 'kLastWriteWasAsync']
  if (numbers.some((n) => typeof b[n] !== 'number')) return undefined
  if (typeof b.WriteWrap !== 'function' || typeof b.ShutdownWrap !== 'function') return undefined
  if (!ArrayBuffer.isView(b.streamBaseState)) return undefined
  const known = b as unknown as Omit<RawStreams, 'state' | 'request'> & {
    streamBaseState: Int32Array
  }
  return {
    state: known.streamBaseState,
    kReadBytesOrError: known.kReadBytesOrError,
    kArrayBufferOffset: known.kArrayBufferOffset,
    kBytesWritten: known.kBytesWritten,
    kLastWriteWasAsync: known.kLastWriteWasAsync,
    WriteWrap: known.WriteWrap,
    ShutdownWrap: known.ShutdownWrap,
    request: new known.WriteWrap(),
  }
}

/** Takes the handle out of a socket that has not been read from; the socket is an empty shell after. */
export function takeHandle(socket: net.Socket): RawHandle | undefined {
  const shell = socket as unknown as { _handle: RawHandle | null }
  const handle = shell._handle
  if (handle === null || typeof handle?.useUserBuffer !== 'function') return undefined
  handle.readStop()
  shell._handle = null
  return handle
}
