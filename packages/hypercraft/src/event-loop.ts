/** How a run gives way to the program around it. Replaceable: tests use one that never sleeps. */
export interface HostEventLoop {
  /** Lets everything run that is ready in the host: I/O callbacks, timers, input. */
  yield(): Promise<void>;
  /** Resolves after about `milliseconds`, which are finite, or at once when `cancel` is called. */
  sleep(milliseconds: number): { readonly done: Promise<void>; cancel(): void };
}

interface NodeGlobals {
  readonly setImmediate?: (callback: () => void) => unknown;
}

// Node has setImmediate. Browsers clamp nested timeouts to 4 ms, but not messages.
function yieldNow(): Promise<void> {
  const { setImmediate } = globalThis as NodeGlobals;
  if (setImmediate !== undefined) return new Promise((resolve) => void setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** The event loop of Node or of a browser page or worker. */
export const hostEventLoop: HostEventLoop = {
  yield: yieldNow,
  sleep(milliseconds) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    const cancel = () => {
      clearTimeout(timer);
      resolve();
    };
    return { done: promise, cancel };
  },
};

/** Remembers that something happened, for a loop that looks again before it sleeps. */
export class Waker {
  #signalled = false;
  #wake: (() => void) | undefined;

  /** Bound, so that it can be handed out as a callback. */
  readonly signal = (): void => {
    this.#signalled = true;
    this.#wake?.();
  };

  /** Whether there was a signal since `clear`. */
  get signalled(): boolean {
    return this.#signalled;
  }

  /** Forgets signals so far; called before the loop looks at what they are about. */
  clear(): void {
    this.#signalled = false;
  }

  /** Resolves at the next signal since `clear`, at once when there was one. */
  wait(): Promise<void> {
    if (this.#signalled) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
