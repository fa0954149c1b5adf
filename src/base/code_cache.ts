/**
 * The code that V8 compiled is kept by Deno in databases of SQLite, and what was added lies in
 * their write-ahead logs, which every start reads as a whole: 3 ms when all commands were used
 * once. Put into the databases it costs nothing. https://www.sqlite.org/wal.html
 */
import { DatabaseSync } from "node:sqlite";

const NAMES = ["v8_code_cache_v2", "dep_analysis_cache_v2", "node_analysis_cache_v2"];

/**
 * Empties the logs in `directory` as far as other starts don't read them just now. Never throws:
 * another user's cache cannot be written, and the next start tries again.
 */
export function emptyLogs(directory: string): void {
  for (const name of NAMES) {
    try {
      using database = new DatabaseSync(`${directory}/${name}`);
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // Its log is read as before.
    }
  }
}
