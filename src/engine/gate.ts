/**
 * Two flags that two threads share. A process that ends while a thread is inside ONNX Runtime aborts, whatever its exit
 * code was to be: whoever ends it closes the gate first, and waits until the thread is outside.
 */
export type Gate = Int32Array<SharedArrayBuffer>;

const INSIDE = 0;
const CLOSED = 1;

export const createGate = (): Gate => new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));

/** Goes inside, unless the gate is closed: then false, and whoever asked stays outside. */
export const enter = (gate: Gate): boolean => {
  Atomics.store(gate, INSIDE, 1); // before the look at the other flag, so that one of the two threads sees the other
  if (Atomics.load(gate, CLOSED) === 0) return true;
  leave(gate);
  return false;
};

export const leave = (gate: Gate): void => {
  Atomics.store(gate, INSIDE, 0);
  Atomics.notify(gate, INSIDE);
};

/** Milliseconds after which a thread counts as dead: no step takes as long. */
const PATIENCE = 60_000;

/** Lets nobody in any more and blocks until nobody is inside. */
export const close = (gate: Gate): void => {
  Atomics.store(gate, CLOSED, 1);
  Atomics.wait(gate, INSIDE, 1, PATIENCE);
};
