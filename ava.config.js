// Compiled tests only (`scripts/test-ts.mjs` compiles them): Node 20 strips no types.
export default {
  files: ['.ava-build/__test__/**/*.js', '!.ava-build/__test__/support/**'],
  // Without any result. Some files start child processes, worker threads or 100,000 requests; on two shared cores that takes its time.
  timeout: '300s',
  concurrency: 2,
  // Worker threads, so that the addon is loaded into several environments of one process, as in services that use them.
  workerThreads: true,
}
