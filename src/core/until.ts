/** Waiting for a condition instead of sleeping: `await until(() => ready, 5_000)`. */
export async function until<T>(
  probe: () => T | Promise<T>,
  withinMs: number,
  options: { everyMs?: number; what?: string } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + withinMs
  let last: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value) return value as NonNullable<Exclude<T, false>>
      last = undefined
    } catch (error) {
      last = error
    }
    if (performance.now() >= end) {
      throw new Error(`gave up after ${withinMs} ms waiting for ${options.what ?? 'a condition'}`, {
        cause: last,
      })
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 20))
  }
}
