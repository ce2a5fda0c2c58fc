import { Waker } from "@hypercraft/hypercraft";
import { type ByteSink, Watcher } from "@hypercraft/machine";
import type { RunControl } from "../config/run-config.js";
import { type GuestInput, openGuestInput } from "../console/guest-input.js";
import { HostConsole } from "../console/host-console.js";
import { ConsoleOutput } from "../console/output.js";
import { asCliError } from "../errors.js";
import { type CliIo, notice } from "../io.js";
import type { Machine, MachineEnd, MachineHost, MachineStatistics } from "../machine/contract.js";
import { ESCAPE_HELP, type EscapeCommand } from "../terminal/escape-keys.js";
import type { RunOutcome } from "./outcome.js";
import { onEndingSignals } from "./process-signals.js";
import { RegionDump } from "./region-dump.js";
import { type SnapshotFormat, SnapshotSaver } from "./snapshot-saver.js";
import { addStatistics, type RunStatistics } from "./statistics.js";
import { StopSwitch } from "./stop-switch.js";
import { TraceWriter } from "./trace-writer.js";

export interface SessionOptions {
  readonly io: CliIo;
  readonly control: RunControl;
  readonly deterministic: boolean;
  /** All console input; without it, that is standard input. */
  readonly input?: Uint8Array;
  /** Makes the machine anew from its images, after a reset. */
  readonly restart: () => Promise<Machine>;
  readonly snapshotFormat: SnapshotFormat;
  /** End as soon as the snapshot of `--snapshot-at` is saved. */
  readonly endAfterSnapshot?: boolean;
  /** What a person at the terminal is told of keys. */
  readonly keys?: KeyTexts;
}

export interface KeyTexts {
  /** At the start, if anything. */
  readonly hint?: string;
  readonly help: string;
}

const KEYS: KeyTexts = { hint: "Ctrl-A x ends the machine, Ctrl-A h shows more keys", help: ESCAPE_HELP };

/**
 * In deterministic mode the run is looked at when the guest has written a line and after each multiple of so many
 * instructions, and only then: so what the host does about it, such as ending at a match, falls on the same
 * instruction in every run.
 */
const DETERMINISTIC_STEP = 100_000;

/** Ends after which a machine can be run on. */
const RESUMABLE: ReadonlySet<MachineEnd["kind"]> = new Set(["stopped", "budget", "idle"]);

/** One run of a guest: its console, its end, and all that may end it. */
export class Session {
  readonly console: HostConsole;
  readonly #options: SessionOptions;
  readonly #stop = new StopSwitch();
  readonly #waker = new Waker();
  readonly #output: ConsoleOutput;
  readonly #trace: TraceWriter;
  readonly #saver: SnapshotSaver;
  readonly #dump: RegionDump | undefined;
  #snapshotAsked = false;
  #machine: Machine | undefined;
  /** Counts of the machines before the present one. */
  #past: MachineStatistics[] = [];
  /** Instructions that the machine had done before this run, when it comes from a snapshot. */
  #before = 0;
  #seconds = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { io, control, deterministic, snapshotFormat } = options;
    this.#output = new ConsoleOutput(io.stdout, (error) => this.#stop.request({ kind: "output", error }));
    this.#trace = new TraceWriter(io.stderr);
    this.#saver = new SnapshotSaver(control, snapshotFormat);
    this.#dump = control.dumpRegions && new RegionDump(control.dumpRegions, control, io);
    const sinks: ByteSink[] = [this.#output];
    if (control.until !== undefined)
      sinks.push(new Watcher(control.until, () => this.#stop.request({ kind: "matched" })));
    if (this.#saver.pattern !== undefined)
      sinks.push(new Watcher(this.#saver.pattern, () => this.#snapshotPointReached()));
    this.console = new HostConsole(deterministic ? "by-line" : "when-idle", sinks);
    this.#stop.onStop = () => this.#interrupt();
  }

  /** Who looks at what the guest does, as was asked for. */
  get tracing(): Pick<MachineHost, "onExit" | "onInstruction" | "regionWatch"> {
    const { trace } = this.#options.control;
    return {
      ...(this.#dump !== undefined && { regionWatch: this.#dump.watch }),
      ...(trace.has("exits") && { onExit: this.#trace.line }),
      ...(trace.has("insn") && { onInstruction: this.#trace.line }),
    };
  }

  /** The machine as it is at the end. */
  get machine(): Machine | undefined {
    return this.#machine;
  }

  /** Whether the point of `--snapshot-at` never came. */
  get missedSnapshot(): boolean {
    return this.#saver.missed;
  }

  /** Prints what is left to print of `--dump-region`. @throws CliError when its file cannot be written. */
  async finishDump(): Promise<void> {
    await this.#dump?.finish(this.#machine);
  }

  get statistics(): RunStatistics {
    const all = addStatistics(this.#machines, this.#seconds);
    return { ...all, instructions: all.instructions - this.#before };
  }

  /**
   * Runs the machine to its end. The terminal, the signals and standard input are the session's meanwhile.
   * @throws CliError when a snapshot cannot be saved or the machine not be restarted.
   */
  async run(machine: Machine): Promise<RunOutcome> {
    const { io, control } = this.#options;
    this.#machine = machine;
    this.#before = machine.statistics().instructions;
    const releaseSignals = onEndingSignals(io, (signal) => this.#stop.request({ kind: "signal", signal }));
    const timer =
      control.timeoutMs === undefined
        ? undefined
        : setTimeout(() => this.#stop.request({ kind: "timeout" }), control.timeoutMs);
    const input = this.#openInput();
    const start = performance.now();
    try {
      await input.ready;
      return await this.#loop(input);
    } finally {
      this.#seconds = (performance.now() - start) / 1000;
      this.console.flush();
      this.#output.freshLine();
      this.#trace.flush();
      input.close();
      clearTimeout(timer);
      releaseSignals();
      this.#output.close();
    }
  }

  async #loop(input: GuestInput): Promise<RunOutcome> {
    for (;;) {
      if (this.#stop.reason !== undefined) return this.#stop.reason;
      this.#waker.clear();
      const end = await this.#machine!.run(this.#limits());
      this.console.flush();
      const outcome = (await this.#afterRun(end)) ?? (await this.#react(end, input));
      if (outcome !== undefined) return outcome;
    }
  }

  /** What has come due while the machine ran. */
  async #afterRun(end: MachineEnd): Promise<RunOutcome | undefined> {
    // What was waited for counts more than how the guest went on in the same slice.
    if (this.#stop.reason?.kind === "matched") return this.#stop.reason;
    if (!RESUMABLE.has(end.kind)) return undefined;
    if (this.#saver.isDue(this.#done)) {
      const file = await this.#saver.saveDue(this.#machine!, this.#total);
      this.say(`snapshot saved to ${file.name}`);
      if (this.#options.endAfterSnapshot) return { kind: "saved" };
    }
    if (this.#snapshotAsked) await this.#saveAsAsked();
    return undefined;
  }

  async #react(end: MachineEnd, input: GuestInput): Promise<RunOutcome | undefined> {
    const { control } = this.#options;
    switch (end.kind) {
      case "shutdown":
      case "exit":
      case "failed":
        return end;
      case "reset":
        if (!control.reboot) return end;
        await this.#restart();
        return undefined;
      case "idle":
        return this.#waitForInput(input);
      case "budget":
        return this.#done >= (control.maxInstructions ?? Number.POSITIVE_INFINITY)
          ? { kind: "budget" }
          : undefined;
      case "stopped":
        return undefined;
    }
  }

  /** Every CPU waits and no timer runs: only input can go on, or somebody who ends it. */
  async #waitForInput(input: GuestInput): Promise<RunOutcome | undefined> {
    if (this.#waker.signalled) return undefined;
    if (input.ended && this.#options.control.timeoutMs === undefined) return { kind: "deadlock" };
    await this.#waker.wait();
    return undefined;
  }

  async #restart(): Promise<void> {
    const old = this.#machine!;
    const unread = old.unreadInput();
    this.#past.push(old.statistics());
    this.#machine = undefined;
    old.close();
    this.#machine = await this.#options.restart();
    this.console.giveBack(unread);
  }

  /** The counts of the present machine, after those of the machines before it. */
  get #machines(): MachineStatistics[] {
    return this.#machine === undefined ? this.#past : [...this.#past, this.#machine.statistics()];
  }

  /** Instructions of the guest, those before this run included. */
  get #total(): number {
    return this.#machines.reduce((sum, { instructions }) => sum + instructions, 0);
  }

  /** Instructions of this run. */
  get #done(): number {
    return this.#total - this.#before;
  }

  #limits(): { readonly maxInstructions?: number } {
    const { control, deterministic } = this.#options;
    const total = this.#total;
    const done = total - this.#before;
    const limits = [
      this.#saver.instructionsLeft(done),
      control.maxInstructions === undefined ? undefined : control.maxInstructions - done,
      deterministic ? DETERMINISTIC_STEP - (total % DETERMINISTIC_STEP) : undefined,
    ].filter((limit) => limit !== undefined);
    return limits.length === 0 ? {} : { maxInstructions: Math.min(...limits) };
  }

  #openInput(): GuestInput {
    const { io, input, deterministic } = this.#options;
    const opened = openGuestInput({
      io,
      deterministic,
      ...(input !== undefined && { bytes: input }),
      onBytes: (bytes) => {
        this.console.feed(bytes);
        this.#machine?.inputArrived();
        this.#waker.signal();
      },
      onEnd: this.#waker.signal,
      onCommand: (command) => this.#obey(command),
      onLateInput: () =>
        this.say("input from a pipe is not deterministic when it comes late; --input FILE is"),
    });
    const { hint } = this.#keys;
    if (opened.interactive && hint !== undefined) this.say(hint);
    return opened;
  }

  get #keys(): KeyTexts {
    return this.#options.keys ?? KEYS;
  }

  #obey(command: EscapeCommand): void {
    if (command === "quit") this.#stop.request({ kind: "quit" });
    if (command === "help") this.say(this.#keys.help);
    if (command === "snapshot") {
      this.#snapshotAsked = true;
      this.#interrupt();
    }
  }

  #snapshotPointReached(): void {
    this.#saver.reached();
    this.#interrupt();
  }

  async #saveAsAsked(): Promise<void> {
    this.#snapshotAsked = false;
    try {
      const file = await this.#saver.saveNow(this.#machine!, this.#total);
      this.say(`snapshot saved to ${file.name}`);
    } catch (error) {
      const refused = asCliError(error);
      if (refused === undefined) throw error;
      this.say(refused.message);
    }
  }

  /** A line of our own, between the guest's. */
  say(text: string): void {
    this.console.flush();
    this.#output.freshLine();
    notice(this.#options.io, text);
  }

  /** Makes the run loop look again. */
  #interrupt(): void {
    this.#machine?.stop();
    this.#waker.signal();
  }
}
