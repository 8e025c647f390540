/**
 * Waits for a person or a service manager to say stop. A second signal while stopping ends the
 * process at once, so that nobody has to look for `kill -9`.
 *
 * @param onHangUp what SIGHUP means; by default it says stop too, for a terminal that goes away ends
 *   the lab, or its servers would be orphans
 */
export function stopSignal(onHangUp?: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false
    const on = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(130)
      asked = true
      resolve(signal)
    }
    process.on('SIGINT', on)
    process.on('SIGTERM', on)
    process.on('SIGHUP', onHangUp ?? on)
  })
}
