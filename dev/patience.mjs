// Loaded into functions that run on a local AWS: what they call has four times as long to answer, as they have themselves
// (dev/ministack-server). Waits of their own take no longer.

const PATIENCE = 4;
const timeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (ms) => timeout(PATIENCE * ms);
