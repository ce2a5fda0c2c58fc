// Priority masking, grouping and the active priorities of one CPU interface, physical or virtual: IHI 0048B chapter 3.3,
// IHI 0069 chapter 4.8. Priorities are 8 bits, low values urgent; implementations keep the upper 4 to 8 of them.

/** What RPR reads while nothing is active. */
const IDLE_PRIORITY = 0xff;

/** An interrupt's group: 0 or 1. */
export type Group = 0 | 1;

/** Priority control, as plain data. */
export interface PriorityControlState {
  readonly groups: number;
  readonly mask: number;
  readonly binaryPoint: readonly number[];
  readonly common: boolean;
  readonly active: readonly (readonly number[])[];
}

export class PriorityControl {
  /** Groups that are enabled: bits 0 and 1. */
  groups = 0;
  /** One BPR for both groups (CBPR). */
  common = false;
  /** Bits of a priority that exist. */
  readonly implemented: number;
  /** Least value of BPR0; BPR1's is one more. */
  readonly leastBinaryPoint: number;
  /** Preemption levels are 2^step apart. */
  private readonly step: number;
  private priorityMask = 0;
  private readonly binaryPoint: [number, number];
  /** Preemption levels in use, by group: bit 0 of the first word is priority 0. */
  private readonly active: readonly [Uint32Array, Uint32Array];

  /** @param bits priority bits, 4 to 8. */
  constructor(bits: number) {
    // 8 priority bits have 7 bits of preemption level at most.
    const preemptionBits = Math.min(7, bits);
    this.implemented = (0xff << (8 - bits)) & 0xff;
    this.step = 8 - preemptionBits;
    this.leastBinaryPoint = 7 - preemptionBits;
    this.binaryPoint = [this.leastBinaryPoint, this.leastBinaryPoint + 1];
    const words = Math.max(1, 2 ** (preemptionBits - 5));
    this.active = [new Uint32Array(words), new Uint32Array(words)];
  }

  reset(): void {
    this.groups = 0;
    this.common = false;
    this.priorityMask = 0;
    this.binaryPoint[0] = this.leastBinaryPoint;
    this.binaryPoint[1] = this.leastBinaryPoint + 1;
    for (const words of this.active) words.fill(0);
  }

  get mask(): number {
    return this.priorityMask;
  }

  set mask(value: number) {
    this.priorityMask = value & this.implemented;
  }

  /** BPR of a group. Values below the least one become that. */
  getBinaryPoint(group: Group): number {
    return this.binaryPoint[group];
  }

  setBinaryPoint(group: Group, value: number): void {
    this.binaryPoint[group] = Math.max(value & 7, this.leastBinaryPoint + group);
  }

  /** Number of active priority registers per group. */
  get activeWords(): number {
    return this.active[0].length;
  }

  getActive(group: Group, word: number): number {
    return this.active[group][word] ?? 0;
  }

  setActive(group: Group, word: number, value: number): void {
    if (word < this.activeWords) this.active[group][word] = value;
  }

  /** The bits of a priority that decide about preemption. Group 1's binary point counts from one more. */
  private groupPriority(priority: number, group: Group): number {
    const point = group === 1 && !this.common ? this.binaryPoint[1] - 1 : this.binaryPoint[0];
    return priority & (0xff << (point + 1)) & 0xff;
  }

  /** The group priority of the most urgent active interrupt (RPR). */
  running(): number {
    for (let word = 0; word < this.activeWords; word++) {
      const bits = this.getActive(0, word) | this.getActive(1, word);
      if (bits !== 0) return (word * 32 + lowestBit(bits)) << this.step;
    }
    return IDLE_PRIORITY;
  }

  /** Whether an interrupt of that priority passes the mask and preempts what is active. */
  admits(priority: number, group: Group): boolean {
    return priority < this.priorityMask && this.groupPriority(priority, group) < this.running();
  }

  activate(priority: number, group: Group): void {
    const level = this.groupPriority(priority, group) >> this.step;
    const words = this.active[group];
    words[level >> 5] = (words[level >> 5] as number) | (1 << (level & 31));
  }

  /** The group that the most urgent active priority is of, undefined if nothing is active. */
  activeGroup(): Group | undefined {
    for (let word = 0; word < this.activeWords; word++) {
      const [group0, group1] = [this.getActive(0, word), this.getActive(1, word)];
      if ((group0 | group1) === 0) continue;
      return group0 !== 0 && (group1 === 0 || lowestBit(group0) <= lowestBit(group1)) ? 0 : 1;
    }
    return undefined;
  }

  /** Priority drop: the most urgent active priority ends. Returns false if nothing was active. */
  drop(): boolean {
    const group = this.activeGroup();
    if (group === undefined) return false;
    const words = this.active[group];
    const word = words.findIndex((bits) => bits !== 0);
    const bits = words[word] as number;
    words[word] = bits & (bits - 1);
    return true;
  }

  state(): PriorityControlState {
    return {
      groups: this.groups,
      mask: this.priorityMask,
      binaryPoint: [...this.binaryPoint],
      common: this.common,
      active: this.active.map((words) => [...words]),
    };
  }

  restore(state: PriorityControlState): void {
    this.groups = state.groups & 3;
    this.mask = state.mask;
    this.common = state.common;
    for (const group of [0, 1] as const) {
      this.setBinaryPoint(group, state.binaryPoint[group] ?? 0);
      this.active[group].fill(0);
      state.active[group]?.forEach((bits, word) => {
        this.setActive(group, word, bits);
      });
    }
  }
}

/** Index of the lowest set bit of a word that is not 0. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
