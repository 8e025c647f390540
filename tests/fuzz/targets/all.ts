/** The fuzz targets there are. Rule: one line each; what a target does is said in its own file. */
import type { Target } from '../../support/fuzz.ts'
import { clientLogin } from './client-login.ts'
import { nodeLogin } from './node-login.ts'
import { rudeClient } from './rude-client.ts'
import { rudeNode } from './rude-node.ts'

export const TARGETS: readonly Target[] = [clientLogin, nodeLogin, rudeClient, rudeNode]
