// Gives the calls of a function on a local AWS four times their time to answer. On AWS a function has its own processor; here it shares
// one with everything else that runs. dev/ministack-server loads this file into each function, and also gives the function four times its
// time. The function's own pauses stay as they are: the notifier subtracts them from the time that is left.

const PATIENCE = 4;
const timeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (ms) => timeout(PATIENCE * ms);
