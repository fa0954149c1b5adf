/** Starts that leave a note where they failed. */
import { noteIfRoom } from "./marks.ts";
import { startContainer } from "./start.ts";
import { stateOf } from "./state.ts";
import { forgetStartError, noteStartError } from "./start_error.ts";

/** startContainer(), and a note of its error; one of an earlier start is taken away. */
export const startNoted: typeof startContainer = async (record, lock, options) => {
  try {
    const container = await startContainer(record, lock, options);
    forgetStartError(record.Id);
    return container;
  } catch (error) {
    // Another client may have started it meanwhile: then nothing is wrong with it.
    if (stateOf(record.Id).kind !== "running") noteIfRoom(() => noteStartError(record.Id, error));
    throw error;
  }
};
