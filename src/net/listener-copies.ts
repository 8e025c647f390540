/**
 * More handles on a listening socket. Node's event loop takes one connection from a listening handle
 * in a turn (libuv since 1.45, uv__server_io); in a storm, when turns are long, that lets the kernel's
 * queue overflow, and whoever is dropped there comes again a second later. So many handles, so many
 * connections in a turn. Rule: they are the same socket, so no connection is lost when one is closed;
 * where a runtime lacks a piece there are none, and the one handle does it alone.
 *
 * A handle is copied by sending it to ourselves over a Unix socket, as it is sent to a child process.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A listening handle, as `net.Server` has it inside. */
export interface ListeningHandle {
  onconnection: (status: number, handle: never) => void
  /** The descriptor; negative, or not there, where it is no socket of this process. */
  readonly fd?: number
  listen(backlog: number): number
  close(): void
}

interface PipeHandle {
  readonly fd: number
  onconnection: (status: number, peer: PipeHandle) => void
  onread: () => void
  pendingHandle: ListeningHandle | undefined | null
  bind(path: string): number
  listen(backlog: number): number
  connect(request: object, path: string): number
  open(fd: number): number
  readStart(): number
  readStop(): number
  writeUtf8String(request: object, text: string, handle: ListeningHandle): number
  unref(): void
  close(): void
}

interface Pieces {
  readonly Pipe: new (kind: number) => PipeHandle
  readonly PipeConnectWrap: new () => { oncomplete: (status: number) => void }
  readonly WriteWrap: new () => object
  readonly constants: { readonly SERVER: number; readonly IPC: number }
}

const PATIENCE_MS = 1_000

/** `count` copies of `handle`, not listening yet; none where they cannot be had. */
export async function listenerCopies(
  handle: ListeningHandle,
  count: number,
): Promise<ListeningHandle[]> {
  const pieces = piecesHere()
  if (pieces === undefined || handle.fd === undefined || handle.fd < 0) return []
  // Nobody else may get in there and be sent our socket.
  const folder = await mkdtemp(join(tmpdir(), 'weir-'))
  try {
    return await copy(pieces, join(folder, 's'), handle, count)
  } catch {
    return []
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function piecesHere(): Pieces | undefined {
  const { binding } = process as unknown as { binding?: (name: string) => Partial<Pieces> }
  if (typeof binding !== 'function') return undefined
  try {
    const { Pipe, PipeConnectWrap, constants } = binding('pipe_wrap')
    const { WriteWrap } = binding('stream_wrap')
    if (Pipe === undefined || PipeConnectWrap === undefined) return undefined
    if (WriteWrap === undefined || constants === undefined) return undefined
    return { Pipe, PipeConnectWrap, WriteWrap, constants }
  } catch {
    return undefined
  }
}

function copy(
  { Pipe, PipeConnectWrap, WriteWrap, constants }: Pieces,
  path: string,
  handle: ListeningHandle,
  count: number,
): Promise<ListeningHandle[]> {
  const meeting = new Pipe(constants.SERVER)
  const sender = new Pipe(constants.IPC)
  const copies: ListeningHandle[] = []
  let timer: NodeJS.Timeout | undefined
  const copied = new Promise<ListeningHandle[]>((resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer from ourselves')), PATIENCE_MS)
    const must = (error: number): void => {
      if (error !== 0) reject(new Error(`error ${error} in copying a listening handle`))
    }
    meeting.onconnection = (status, peer) => {
      if (status !== 0) return must(status)
      // What was accepted cannot receive handles; one that can is put on the same descriptor. Neither
      // is ever closed, because that would close the other's.
      const receiver = new Pipe(constants.IPC)
      must(receiver.open(peer.fd))
      receiver.onread = () => {
        const { pendingHandle } = receiver
        receiver.pendingHandle = undefined
        if (pendingHandle) copies.push(pendingHandle)
        if (copies.length < count) return
        receiver.readStop()
        receiver.unref()
        peer.unref()
        resolve(copies)
      }
      must(receiver.readStart())
      for (let i = 0; i < count; i++) must(sender.writeUtf8String(new WriteWrap(), 'x', handle))
    }
    must(meeting.bind(path))
    must(meeting.listen(1))
    const request = new PipeConnectWrap()
    request.oncomplete = must
    must(sender.connect(request, path))
  })
  return copied
    .catch((error: unknown) => {
      for (const one of copies) one.close()
      throw error
    })
    .finally(() => {
      clearTimeout(timer)
      meeting.close()
      sender.close()
    })
}
