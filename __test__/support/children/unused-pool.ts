// Makes pools and does nothing with them: the process must end at once.

import { Pool } from '../../../ts/index.js'

const [origin = '', runOn] = process.argv.slice(2)
for (let n = 0; n < 3; n += 1) new Pool(origin, { runOn: runOn === 'event-loop' ? 'event-loop' : 'thread' })
process.stdout.write('made')
