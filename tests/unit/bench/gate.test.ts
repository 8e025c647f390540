/** So many at a time, in order, and a failure gives its place back. */
import { describe, expect, it } from 'vitest'
import { Gate } from '../../../src/bench/failover/gate.ts'

describe('The gate', () => {
  it('lets in as many as it is wide, and the others in their order', async () => {
    const gate = new Gate(2)
    const entered: number[] = []
    const leave: (() => void)[] = []
    const all = [0, 1, 2, 3].map((i) =>
      gate.pass(async () => {
        entered.push(i)
        await new Promise<void>((resolve) => (leave[i] = resolve))
      }),
    )
    await turn()
    expect(entered).toEqual([0, 1])
    leave[1]?.()
    await turn()
    expect(entered).toEqual([0, 1, 2])
    leave[0]?.()
    await turn()
    expect(entered).toEqual([0, 1, 2, 3])
    for (const go of leave) go()
    await Promise.all(all)
  })

  it('gives the place of who failed to the next', async () => {
    const gate = new Gate(1)
    const first = gate.pass(() => Promise.reject(new Error('no')))
    const second = gate.pass(async () => 'in')
    await expect(first).rejects.toThrow('no')
    expect(await second).toBe('in')
    expect(await gate.pass(async () => 'again')).toBe('again')
  })
})

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
