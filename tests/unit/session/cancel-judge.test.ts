/** The judge of the cancel storm must be able to say no. */
import { expect, it } from 'vitest'
import { judge, type Requested, type Tried } from '../../support/cancel-judge.ts'

const HIT = '57014'

function statement(client: number, sent: number, answered: number, code?: string): Tried {
  return { client, number: sent, sent, answered, code, detail: undefined }
}

function request(client: number, began: number, ended: number, right = true): Requested {
  return { client, right, began, ended }
}

it('a failure is explained by a request that was under way together with it', () => {
  const failed = statement(1, 10, 20, HIT)
  for (const [began, ended] of [
    [5, 11],
    [12, 15],
    [19, 30],
    [5, 30],
  ] as const) {
    expect(judge([failed], [request(1, began, ended)])).toMatchObject({ hit: 1, strays: [] })
  }
})

it('a failure is a stray when the request was over before it, or began after its answer', () => {
  const failed = statement(1, 10, 20, HIT)
  expect(judge([failed], [request(1, 5, 9)]).strays).toEqual([failed])
  expect(judge([failed], [request(1, 21, 25)]).strays).toEqual([failed])
})

it('a request for somebody else, or with a wrong secret, explains nothing', () => {
  const failed = statement(1, 10, 20, HIT)
  expect(judge([failed], [request(2, 12, 15)]).strays).toEqual([failed])
  expect(judge([failed], [request(1, 12, 15, false)])).toMatchObject({ wrong: 1, strays: [failed] })
})

it('one request explains one failure', () => {
  const failures = [statement(1, 10, 20, HIT), statement(1, 21, 30, HIT)]
  const one = request(1, 15, 25)
  expect(judge(failures, [one]).strays).toEqual([failures[1]])
  expect(judge(failures, [request(1, 15, 40), one]).strays).toEqual([])
})

it('requests without a failure were late or found their client idle', () => {
  const fine = statement(1, 10, 20)
  expect(judge([fine], [request(1, 15, 25), request(1, 30, 31)])).toMatchObject({
    hit: 0,
    late: 1,
    idle: 1,
  })
})
