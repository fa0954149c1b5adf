/** docker's answers to command lines: the transcripts whose names begin with a to l. */
import { testTranscripts } from "../lib/docker_lines.ts";

testTranscripts((name) => name < "m");
