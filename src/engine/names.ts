/** Names of containers: the grammar, and random ones for containers without. */
import { UserError } from "../base/errors.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Throws a UserError with docker's text, which shows `shown`, unless `name` is a container's. */
export function checkContainerName(name: string, shown = name): void {
  if (NAME.test(name)) return;
  throw new UserError(
    `Invalid container name (${shown}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
  );
}

/** Throws a UserError with docker's text unless `name` can be a volume's. */
export function checkVolumeName(name: string): void {
  if (NAME.test(name)) return;
  if (name.length === 1) {
    throw new UserError(
      "volume name is too short, names should be at least two alphanumeric characters",
    );
  }
  throw new UserError(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only ` +
      `"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, ` +
      "use absolute path",
  );
}

const ADJECTIVES = `
  agile alert amber ample ardent azure balmy bold brave breezy bright brisk calm candid careful
  cheerful clear clever coastal cosmic cosy crisp curious dapper daring deft eager early earnest
  easy fair fancy fearless festive fine firm fluent fond frank fresh frosty gentle glad golden
  graceful grand happy hardy hearty honest humble ideal inventive jolly jovial keen kind lively
  loyal lucid lucky lunar mellow merry mild modest neat nimble noble patient placid playful
  polite proud quick quiet rapid ready robust rosy salty serene sharp silent silver sleek smart
  solid spry steady stoic sunny sure swift tidy tranquil trusty vivid warm wise witty young zany
  zesty
`.trim().split(/\s+/);

/** People who moved science, engineering and navigation forward. */
const SURNAMES = `
  abel agnesi alhazen ampere anning archimedes avogadro babbage banneker bassi bernoulli bohr
  boole brahe braun brunel cantor carnot carson cauchy cavendish celsius cerf chandra chebyshev
  clarke copernicus coulomb curie daguerre dalton darwin davy dijkstra dirac doppler earhart
  eddington edison einstein engelbart eratosthenes euclid euler faraday fermat fermi feynman
  fibonacci foucault fourier franklin fresnel galilei galois galvani gauss germain goedel
  goldberg hahn hamilton harrison hawking heisenberg herschel hertz hilbert hipparchus hodgkin
  hooke hopper hubble huygens hypatia jacquard jenner johnson joliot joule kapitsa kelvin kepler
  khwarizmi knuth kovalevskaya lagrange lamarr landau laplace lavoisier leavitt leibniz lemaitre
  linnaeus lise lorentz lovelace lumiere marconi maxwell mayer mccarthy mendel mendeleev
  mercator mitchell moebius moser napier nernst newton nobel noether oersted ohm olbers papin
  pascal pasteur pauli pavlov payne planck poincare popov ptolemy pythagoras raman ramanujan
  riemann ritchie roentgen rubin rutherford sagan schroedinger shannon siemens snell somerville
  steno stokes swan tereshkova tesla thales thompson torricelli turing vesalius vinci volta
  wallace watt weber wien wilkins wing wright yalow young yukawa zeppelin zuse
`.trim().split(/\s+/);

/**
 * Makes a name "adjective_surname". `random` gives numbers in [0, 1). After some names that were
 * taken, `attempt` adds a digit, as docker does, so that the search ends.
 */
export function randomName(attempt = 0, random: () => number = Math.random): string {
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)];
  const digit = attempt > 0 ? String(Math.floor(random() * 10)) : "";
  return `${pick(ADJECTIVES)}_${pick(SURNAMES)}${digit}`;
}
