/**
 * PROXY protocol headers of both versions, right, damaged, cut and endless. Rule: what was built right
 * is read back exactly, by a second reader written from the description; what is not is junk or still
 * incomplete, never an exception, never for longer than the bound.
 */
import { isIP } from 'node:net'
import { crc32c, readProxyHeader } from '../../../src/net/proxy-header.ts'
import type { Target } from '../../support/fuzz.ts'
import { type Draw, tamper } from '../../support/fuzz-draw.ts'

interface Case {
  header: Buffer
  /** What it says, when nothing was damaged. */
  right: { address: string; port: number } | 'nobody' | undefined
  behind: Buffer
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const LONGEST = 4_112

function address4(draw: Draw): Buffer {
  return Buffer.from(Array.from({ length: 4 }, () => draw.upTo(255)))
}

function version1(draw: Draw): Case {
  const [from, to] = [address4(draw).join('.'), address4(draw).join('.')]
  const [port, other] = [draw.upTo(65_535), draw.upTo(65_535)]
  return draw.way<Case>(
    [
      4,
      () => ({
        header: Buffer.from(`PROXY TCP4 ${from} ${to} ${port} ${other}\r\n`),
        right: { address: from, port },
        behind: draw.bytes(40),
      }),
    ],
    [
      2,
      () => ({
        header: Buffer.from(`PROXY TCP6 2001:db8::${port.toString(16)} ::1 ${port} ${other}\r\n`),
        right: { address: port === 0 ? '2001:db8::' : `2001:db8::${port.toString(16)}`, port },
        behind: draw.bytes(40),
      }),
    ],
    [
      1,
      () => ({
        header: Buffer.from(`PROXY UNKNOWN ${'x'.repeat(draw.upTo(80))}\r\n`),
        right: 'nobody',
        behind: draw.bytes(10),
      }),
    ],
    [
      2,
      () => ({
        header: Buffer.from(
          `PROXY ${draw.text(14, ['TCP4 ', 'TCP6 ', 'UNKNOWN', '1.2.3.4 ', '::1 ', ' ', '65536', '-1', '01', '\r', '\n', 'fe80::1%eth0 ', '0x7f.1 '])}\r\n`,
        ),
        right: undefined,
        behind: Buffer.alloc(0),
      }),
    ],
  )
}

function version2(draw: Draw): Case {
  const command = draw.pick([0x21, 0x20])
  const [family, size] = draw.pick([
    [0x11, 12],
    [0x21, 36],
    [0x31, 216],
    [0x00, 0],
  ] as const)
  const addresses = Buffer.alloc(size)
  const source = address4(draw)
  const port = draw.upTo(65_535)
  if (family === 0x11) {
    source.copy(addresses)
    addresses.writeUInt16BE(port, 8)
  } else if (family === 0x21) {
    addresses.writeUInt16BE(0x2001, 0)
    addresses.writeUInt16BE(1 + draw.upTo(0xfffe), 14)
    addresses.writeUInt16BE(port, 32)
  }
  const tlvs = draw.list(4, () => {
    const value = draw.bytes(20)
    return Buffer.concat([
      Buffer.from([draw.pick([1, 2, 4, 5, 0x20, 0xee]), 0, value.length]),
      value,
    ])
  })
  const sum = draw.maybe(40)
  const rest = Buffer.concat([
    addresses,
    ...tlvs,
    sum ? Buffer.from([3, 0, 4, 0, 0, 0, 0]) : Buffer.alloc(0),
  ])
  const head = Buffer.concat([SIGNATURE, Buffer.from([command, family, 0, 0])])
  head.writeUInt16BE(rest.length, 14)
  const header = Buffer.concat([head, rest])
  if (sum) header.writeUInt32BE(crc32c(header), header.length - 4)
  const text =
    family === 0x11
      ? source.join('.')
      : `2001::${(family === 0x21 ? addresses.readUInt16BE(14) : 0).toString(16)}`
  const says = family === 0x11 || family === 0x21 ? ({ address: text, port } as const) : 'nobody'
  return { header, right: command === 0x20 ? 'nobody' : says, behind: draw.bytes(30) }
}

function make(draw: Draw): Case {
  const one = draw.way<Case>(
    [4, () => version2(draw)],
    [4, () => version1(draw)],
    [1, () => ({ header: draw.bytes(60), right: undefined, behind: Buffer.alloc(0) })],
    [
      1,
      () => ({
        header: Buffer.concat([SIGNATURE, draw.bytes(300)]),
        right: undefined,
        behind: Buffer.alloc(0),
      }),
    ],
    [
      1,
      () => ({
        header: Buffer.alloc(draw.upTo(6_000), 'PROXY '),
        right: undefined,
        behind: Buffer.alloc(0),
      }),
    ],
  )
  if (!draw.maybe(30)) return one
  return { ...one, header: tamper(draw, one.header), right: undefined }
}

function check({ header, right, behind }: Case): string {
  const all = Buffer.concat([header, behind])
  const seen = readProxyHeader(all)
  for (let n = 0; n < Math.min(all.length, 300); n++) {
    const part = readProxyHeader(all.subarray(0, n))
    if (part.kind === 'incomplete') continue
    if (JSON.stringify(part) !== JSON.stringify(seen)) {
      throw new Error(
        `of ${n} bytes it says ${JSON.stringify(part)}, of all ${JSON.stringify(seen)}`,
      )
    }
  }
  if (seen.kind === 'incomplete' && all.length > LONGEST) throw new Error('it waits for ever')
  if (seen.kind === 'header') {
    if (seen.length > Math.min(all.length, LONGEST)) throw new Error('longer than it may be')
    if (seen.source !== undefined && isIP(seen.source.address) === 0) throw new Error('no address')
    if (seen.source !== undefined && !(seen.source.port >= 0 && seen.source.port <= 65_535)) {
      throw new Error('no port')
    }
  }
  if (right === undefined) return seen.kind === 'junk' ? `junk: ${seen.why}` : seen.kind
  if (seen.kind !== 'header') throw new Error(`a right header is taken for ${JSON.stringify(seen)}`)
  if (seen.length !== header.length) throw new Error(`length ${seen.length}, not ${header.length}`)
  const due = right === 'nobody' ? undefined : right
  if (JSON.stringify(seen.source) !== JSON.stringify(due)) {
    throw new Error(`it says ${JSON.stringify(seen.source)}, not ${JSON.stringify(due)}`)
  }
  return right === 'nobody' ? 'of nobody' : 'of somebody'
}

export const proxyHeader: Target<Case> = {
  name: 'proxy-header',
  promise:
    'a right header is read as it is meant, any other is junk or unfinished, within its bound',
  runs: 4_000,
  make,
  check,
}
