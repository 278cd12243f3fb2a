// Builds the development server that tests, demo and benchmarks use as an upstream. Cargo knows whether it is fresh.
import { run } from './run.mjs'

export function buildTestkit() {
  return run('cargo', ['build', '-p', 'forebay-testkit', '--release', '--locked', '--bins'])
}
