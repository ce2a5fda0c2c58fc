import type { Tier } from "../index.js";
import { createFlatUser, type FlatUser, type FlatUserOptions } from "./flat-user.js";
import { runEmulated, runs } from "./tools.js";
import type { RecordedData, UserCase, UserExecutor, UserPrograms } from "./user-program.js";

// What runs user-level cases: the engine's tiers, and QEMU's user mode as an oracle.

/** A program of cases on an engine of its own, to be run in slices. */
export interface EngineUser<State> extends FlatUser {
  /** The states in the cases' records. */
  states(): readonly State[];
}

/** Load the program of the cases. Throws a RangeError if it is too large for the memory. */
export function createEngineUser<State extends RecordedData>(
  programs: UserPrograms<State>,
  cases: readonly UserCase<State>[],
  options: FlatUserOptions,
): EngineUser<State> {
  const program = createFlatUser(programs.build(cases), options);
  return { ...program, states: () => programs.read(program.memory(), cases.length) };
}

/** Runs all cases in one go on one of the engine's execution tiers. */
export const tierExecutor =
  <State extends RecordedData>(
    programs: UserPrograms<State>,
    options: Omit<FlatUserOptions, "tier">,
  ): ((tier: Tier) => UserExecutor<State>) =>
  (tier) =>
  (cases) => {
    const program = createEngineUser(programs, cases, { ...options, tier });
    program.finish();
    return program.states();
  };

/** A user-mode emulator. */
export interface EmulatedUser<State> {
  /** Is the emulator here? */
  readonly present: () => boolean;
  /** Runs all cases in one process of the emulator. */
  readonly run: UserExecutor<State>;
}

/** QEMU's user mode with one of its CPU models. Needs Node. */
export const qemuUser = <State extends RecordedData>(
  programs: UserPrograms<State>,
  command: string,
  cpu: string,
): EmulatedUser<State> => ({
  present: () => runs(command),
  run: (cases) => {
    const { machine } = programs.abi;
    return programs.read(runEmulated(command, ["-cpu", cpu], programs.build(cases), machine), cases.length);
  },
});
