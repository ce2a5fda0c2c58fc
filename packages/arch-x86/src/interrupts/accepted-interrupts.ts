import { Register } from "./local-apic-registers.js";
import type { LocalApicState } from "./local-apic-state.js";
import { isAbove, processorPriority } from "./priority.js";
import { VectorSet } from "./vector-set.js";

/** The interrupts that a local APIC has accepted, in their order: TPR, PPR, IRR, ISR and TMR. SDM volume 3, 11.8. */
export class AcceptedInterrupts {
  /** TPR. */
  taskPriority = 0;
  private readonly inService = new VectorSet();
  private readonly levels = new VectorSet();
  private readonly requests = new VectorSet();

  clear(): void {
    this.taskPriority = 0;
    for (const set of [this.inService, this.levels, this.requests]) set.clear();
  }

  /** PPR (11.8.3.1). */
  get processorPriority(): number {
    return processorPriority(this.taskPriority, Math.max(0, this.inService.highest));
  }

  /** The priorities let one through. */
  get pending(): boolean {
    return isAbove(this.requests.highest, this.processorPriority);
  }

  /** An interrupt is accepted; `level`: it is level-triggered. */
  request(vector: number, level: boolean): void {
    this.levels.set(vector, level);
    this.requests.set(vector, true);
  }

  /** The highest one that is let through is in service from now on: its vector, -1 if there is none. */
  serve(): number {
    if (!this.pending) return -1;
    const vector = this.requests.highest;
    this.requests.set(vector, false);
    this.inService.set(vector, true);
    return vector;
  }

  /** The highest one in service is over: its vector, -1 if there is none. */
  end(): number {
    const vector = this.inService.highest;
    if (vector >= 0) this.inService.set(vector, false);
    return vector;
  }

  /** The last interrupt of this vector is level-triggered. */
  isLevel(vector: number): boolean {
    return this.levels.has(vector);
  }

  /** ISR, TMR and IRR by the numbers of their registers. */
  word(register: number): number {
    const set = [this.inService, this.levels, this.requests][
      (register - Register.inService) >> 3
    ] as VectorSet;
    return set.words[register & 7] as number;
  }

  state(): Pick<LocalApicState, "taskPriority" | "inService" | "triggerMode" | "request"> {
    return {
      taskPriority: this.taskPriority,
      inService: this.inService.words,
      triggerMode: this.levels.words,
      request: this.requests.words,
    };
  }

  restore(state: ReturnType<AcceptedInterrupts["state"]>): void {
    this.taskPriority = state.taskPriority;
    this.inService.words = state.inService;
    this.levels.words = state.triggerMode;
    this.requests.words = state.request;
  }
}
