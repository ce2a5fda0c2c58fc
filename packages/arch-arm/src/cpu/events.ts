import { Status } from "@hypercraft/engine";
import { EventStream } from "./event-stream.js";
import { WAIT_EXIT } from "./exit.js";
import type { ArmPe } from "./pe.js";
import { eventRegister, system, waitingForEvent } from "./state.js";

/** What the exclusive monitor marked when the wait began: offset in host memory, or -1, and 16 bytes there. */
const marked = system("markedWhileWaiting");
const contents = [system("markedLow"), system("markedHigh")] as const;
const GRANULE = 16;
/** `CoreApi.reservedOffset`: another core has run since the exclusive load. */
const LOST = -2;

/**
 * The event register, which WFE waits for (Arm ARM, "Wait for Event"): set by SEV and SEVL, exception returns, event
 * streams, and where somebody else may have written what the exclusive monitor marks.
 */
export class Events {
  readonly stream: EventStream;
  private readonly pe: ArmPe;

  constructor(pe: ArmPe) {
    this.pe = pe;
    this.stream = new EventStream(pe);
  }

  /** SEV: an event for all PEs. */
  send(): void {
    for (const { core } of this.pe.domain) core.set(eventRegister, 1, 0);
  }

  /** Clear the event register; true if an event had set it. */
  take(): boolean {
    const { core } = this.pe;
    const lost = core.reservedOffset() === LOST;
    if (lost) core.clearReservation();
    const taken = core.lo(eventRegister) !== 0 || this.stream.due || lost;
    core.set(eventRegister, 0, 0);
    this.stream.restart();
    return taken;
  }

  /** WFE found no event: the PE waits from the next instruction on. */
  wait(): Status {
    const { core } = this.pe;
    const offset = core.reservedOffset();
    const granule = offset < 0 ? -1 : offset - (offset % GRANULE);
    // Whoever runs meanwhile makes the core forget its mark.
    core.set(marked, granule | 0, granule < 0 ? -1 : 0);
    if (granule >= 0)
      for (const [i, field] of contents.entries()) {
        const word = granule / 4 + 2 * i;
        core.set(field, core.words[word] as number, core.words[word + 1] as number);
      }
    core.set(waitingForEvent, 1, 0);
    const next = (core.pcLo() + 4) | 0;
    core.setPc(next, (core.pcHi() + (next === 0 ? 1 : 0)) | 0);
    core.exit = WAIT_EXIT;
    return Status.exit;
  }

  /** Whether a PE that waits for an event goes on: interrupts count unless they are masked. */
  get wakeUp(): boolean {
    const { core, interrupts } = this.pe;
    if (core.lo(eventRegister) !== 0 || this.stream.due || this.markChanged) return true;
    return interrupts.arrived() !== undefined;
  }

  private get markChanged(): boolean {
    const { core } = this.pe;
    if (core.hi(marked) < 0) return false;
    const word = (core.lo(marked) >>> 0) / 4;
    return contents.some(
      (field, i) =>
        core.lo(field) !== core.words[word + 2 * i] || core.hi(field) !== core.words[word + 2 * i + 1],
    );
  }

  /** The PE goes on: what ended its wait is used up. */
  resumed(): void {
    this.pe.core.set(waitingForEvent, 0, 0);
    this.take();
  }
}
