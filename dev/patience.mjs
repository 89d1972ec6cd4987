// Loaded into functions that run on a local AWS: on AWS a function has a processor for itself, here it shares one with everything
// else that runs. What they call has four times as long to answer, as they have themselves (dev/ministack-server). Their own pauses
// take no longer: they are counted against the time that is left.

const PATIENCE = 4;
const timeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (ms) => timeout(PATIENCE * ms);
