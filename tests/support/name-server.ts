/**
 * A name server for tests: UDP on loopback, with the records a test gives it. Rule: it answers what
 * it is asked and nothing else, so a lookup that needs more than its records fails visibly.
 */
import { createSocket } from 'node:dgram'
import type { AddressInfo } from 'node:net'

export interface SrvRecord {
  readonly target: string
  readonly port: number
  readonly weight?: number
}

/** By name, without a dot at the end. */
export interface Records {
  readonly a?: Readonly<Record<string, readonly string[]>>
  readonly aaaa?: Readonly<Record<string, readonly string[]>>
  readonly srv?: Readonly<Record<string, readonly SrvRecord[]>>
}

export interface NameServer {
  /** `127.0.0.1:PORT`. */
  readonly address: string
  /** May be replaced at any time; undefined: it does not answer. */
  records: Records | undefined
  end(): Promise<void>
}

const TYPES = { 1: 'a', 28: 'aaaa', 33: 'srv' } as const
const NO_SUCH_NAME = 3

export async function startNameServer(records: Records): Promise<NameServer> {
  const socket = createSocket('udp4')
  const server: NameServer = {
    address: '',
    records,
    end: () => new Promise((resolve) => socket.close(() => resolve())),
  }
  socket.on('message', (question, from) => {
    if (server.records === undefined) return
    socket.send(answerTo(question, server.records), from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return Object.assign(server, { address: `127.0.0.1:${(socket.address() as AddressInfo).port}` })
}

function answerTo(question: Buffer, records: Records): Buffer {
  const labels: string[] = []
  let at = 12
  for (let length = question[at]!; length > 0; length = question[at]!) {
    labels.push(question.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const asked = question.subarray(12, at + 5)
  const name = labels.join('.').toLowerCase()
  const type = question.readUInt16BE(at + 1)
  const kind = TYPES[type as keyof typeof TYPES]
  const data = kind === undefined ? [] : dataOf(kind, name, records)
  const known = Object.values(records).some((byName) => name in byName)
  const head = Buffer.alloc(12)
  question.copy(head, 0, 0, 2)
  // A response, recursion available; and whether there is such a name at all.
  head.writeUInt16BE(0x8180 | (known ? 0 : NO_SUCH_NAME), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(data.length, 6)
  const answers = data.map((bytes) => {
    const record = Buffer.alloc(12)
    // The name as a pointer to the one in the question.
    record.writeUInt16BE(0xc00c, 0)
    record.writeUInt16BE(type, 2)
    record.writeUInt16BE(1, 4)
    record.writeUInt16BE(bytes.length, 10)
    return Buffer.concat([record, bytes])
  })
  return Buffer.concat([head, asked, ...answers])
}

function dataOf(kind: keyof Records, name: string, records: Records): Buffer[] {
  if (kind === 'srv') {
    return (records.srv?.[name] ?? []).map(({ target, port, weight = 0 }) => {
      const numbers = Buffer.alloc(6)
      numbers.writeUInt16BE(weight, 2)
      numbers.writeUInt16BE(port, 4)
      return Buffer.concat([numbers, labelled(target)])
    })
  }
  const texts = records[kind]?.[name] ?? []
  return texts.map((text) => (kind === 'a' ? Buffer.from(text.split('.').map(Number)) : six(text)))
}

function labelled(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  const parts = labels.map((label) =>
    Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]),
  )
  return Buffer.concat([...parts, Buffer.from([0])])
}

/** Only addresses with one `::` in them, which is all a test needs. */
function six(text: string): Buffer {
  const [front = '', back = ''] = text.split('::')
  const words = (part: string) => (part === '' ? [] : part.split(':').map((w) => parseInt(w, 16)))
  const bytes = Buffer.alloc(16)
  words(front).forEach((word, i) => {
    bytes.writeUInt16BE(word, 2 * i)
  })
  words(back).forEach((word, i, all) => {
    bytes.writeUInt16BE(word, 16 - 2 * (all.length - i))
  })
  return bytes
}
