import { describe, expect, it } from 'vitest'
import { WeirError } from '../../../src/core/errors.ts'
import { type Parameters, type Told, WelcomeBook } from '../../../src/session/welcome.ts'

const NEWS = new Map([['server_version', '18.4']])

function begun() {
  const errands: { done: Told; cancelled: boolean }[] = []
  const begin = (done: Told) => {
    const errand = { done, cancelled: false }
    errands.push(errand)
    return {
      cancel: () => {
        errand.cancelled = true
      },
    }
  }
  return { errands, begin }
}

describe('the welcome book', () => {
  it('sends one errand for all who ask for one key, and tells them all', () => {
    const book = new WelcomeBook()
    const { errands, begin } = begun()
    const told: (Parameters | WeirError)[] = []
    for (let i = 0; i < 3; i++) book.fetch('a', begin, (outcome) => told.push(outcome))
    expect(errands).toHaveLength(1)
    errands[0]!.done(NEWS)
    expect(told).toEqual([NEWS, NEWS, NEWS])
    expect(book.find('a')).toEqual(NEWS)
  })

  it('goes on for the others when the first to ask leaves, and ends when the last does', () => {
    const book = new WelcomeBook()
    const { errands, begin } = begun()
    const told: unknown[] = []
    const first = book.fetch('a', begin, () => told.push('first'))
    const second = book.fetch('a', begin, () => told.push('second'))
    first.cancel()
    expect(errands[0]!.cancelled).toBe(false)
    second.cancel()
    expect(errands[0]!.cancelled).toBe(true)
    book.fetch('a', begin, () => told.push('third'))
    expect(errands).toHaveLength(2)
    errands[1]!.done(NEWS)
    expect(told).toEqual(['third'])
  })

  it('tells a failure to all and remembers nothing of it', () => {
    const book = new WelcomeBook()
    const { errands, begin } = begun()
    const told: unknown[] = []
    const error = new WeirError('WEIR_X', 'no such database', { sqlstate: '3D000' })
    book.fetch('a', begin, (outcome) => told.push(outcome))
    book.fetch('a', begin, (outcome) => told.push(outcome))
    errands[0]!.done(error)
    expect(told).toEqual([error, error])
    expect(book.find('a')).toBeUndefined()
    book.fetch('a', begin, () => {})
    expect(errands).toHaveLength(2)
  })
})
