import { VM_EXIT_KINDS, type VmExitKind } from "./exit.js";

/** Exit counts as plain data: only kinds and details that occurred, in the order of the union. */
export interface ExitCounts {
  readonly total: number;
  readonly byKind: Readonly<Partial<Record<VmExitKind, number>>>;
  /** Finer counts under names that the architecture chose, such as "SBI TIME set_timer". */
  readonly byDetail: Readonly<Record<string, number>>;
}

/** Counts exits by kind. Exits that an architecture handles by itself are counted by it, the rest by the VM. */
export class ExitStats {
  readonly #kinds = new Map<VmExitKind, number>();
  readonly #details = new Map<string, number>();

  count(kind: VmExitKind, detail?: string): void {
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
    if (detail !== undefined) this.#details.set(detail, (this.#details.get(detail) ?? 0) + 1);
  }

  /** How often exits of `kind` occurred. */
  of(kind: VmExitKind): number {
    return this.#kinds.get(kind) ?? 0;
  }

  get total(): number {
    let sum = 0;
    for (const count of this.#kinds.values()) sum += count;
    return sum;
  }

  /** Adds another counter's numbers: several VMs, or several runs. */
  add(other: ExitStats): void {
    for (const [kind, count] of other.#kinds) this.#kinds.set(kind, this.of(kind) + count);
    for (const [detail, count] of other.#details)
      this.#details.set(detail, (this.#details.get(detail) ?? 0) + count);
  }

  toJSON(): ExitCounts {
    const byKind: Partial<Record<VmExitKind, number>> = {};
    for (const kind of VM_EXIT_KINDS) if (this.#kinds.has(kind)) byKind[kind] = this.of(kind);
    const details = [...this.#details].sort(([a], [b]) => (a < b ? -1 : 1));
    return { total: this.total, byKind, byDetail: Object.fromEntries(details) };
  }
}
