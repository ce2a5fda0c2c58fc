import { DeadlineQueue } from "@hypercraft/hypercraft";

/** Timers that move nearer while the guest runs end its slice, which is measured anew. */
export class SliceCuttingQueue extends DeadlineQueue {
  onNearer: () => void = () => {};

  override schedule(...args: Parameters<DeadlineQueue["schedule"]>): ReturnType<DeadlineQueue["schedule"]> {
    const nearer = args[0] < this.nextDeadline();
    const handle = super.schedule(...args);
    if (nearer) this.onNearer();
    return handle;
  }
}
