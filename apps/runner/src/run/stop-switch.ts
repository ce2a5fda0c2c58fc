import type { EndingSignal } from "../exit-codes.js";

/** Why a run is ended from outside the guest. */
export type StopReason =
  | { readonly kind: "matched" }
  | { readonly kind: "timeout" }
  | { readonly kind: "quit" }
  | { readonly kind: "signal"; readonly signal: EndingSignal }
  | { readonly kind: "output"; readonly error: NodeJS.ErrnoException };

/** The first reason to end a run; later ones do not matter. */
export class StopSwitch {
  #reason: StopReason | undefined;

  /** Called at the first request. */
  onStop: () => void = () => {};

  get reason(): StopReason | undefined {
    return this.#reason;
  }

  request(reason: StopReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.onStop();
  }
}
