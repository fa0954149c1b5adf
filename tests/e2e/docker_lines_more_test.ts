/** docker's answers to command lines: the transcripts whose names begin with m to z. */
import { testTranscripts } from "../lib/docker_lines.ts";

testTranscripts((name) => name >= "m");
