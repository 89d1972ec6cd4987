// Loaded into functions that run on a local AWS: on AWS a function has a processor for itself, here it shares one with everything
// else that runs. What they wait for through AbortSignal.timeout and setTimeout has four times as long, as they have themselves
// (dev/ministack-server); so have the pauses between their attempts.

const PATIENCE = 4;

function patient(holder, name, at) {
  const original = holder[name];
  const stretched = (...given) => original.apply(holder, given.map((value, index) => (index === at && value > 0 ? PATIENCE * value : value)));
  holder[name] = Object.defineProperties(stretched, Object.getOwnPropertyDescriptors(original));
}

patient(AbortSignal, "timeout", 0);
patient(globalThis, "setTimeout", 1);
