/** Weir as a process of its own, from the compiled sources beside this file: argv is its command line. */
import { main } from '../../../src/cli/main.ts'

await main([process.execPath, 'weir', ...process.argv.slice(2)])
