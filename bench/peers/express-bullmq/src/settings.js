// What the processes are told, all of it by environment variables.

/** The value of a variable that must be there. */
function required(name) {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set`);
  }
  return value;
}

/** A variable that holds a positive whole number. */
export function positive(name, otherwise) {
  const number = Number(process.env[name] ?? otherwise);
  if (!Number.isInteger(number) || number <= 0) {
    throw new Error(`${name} must be a positive whole number`);
  }
  return number;
}

/** URL of Redis. */
export const redisUrl = () => required("REDIS_URL");

/** URL of PostgreSQL. */
export const databaseUrl = () => required("DATABASE_URL");
