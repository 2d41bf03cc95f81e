-- The numbers of base/model.h. They stand in Redis and Postgres: never renumber, only add.
local STATE = {HELD = 1, PENDING = 2, CONFIRMED = 3, CANCELLED = 4, EXPIRED = 5, FAILED = 6}
local OP = {BOOK = 1, HOLD = 2, CONFIRM = 3, CANCEL = 4, EXTEND = 5, REFRESH = 6,
            PAY = 7, SETTLE = 8, JOIN = 9, LEAVE = 10, SEVERAL = 11,
            ADMIN = 12}
local CODE = {
  GRANTED = 0, SOLD_OUT = 1, ALREADY_BOOKED = 2, SEAT_TAKEN = 3, NOT_ENOUGH = 4, LIMIT_EXCEEDED = 5,
  SALE_NOT_OPEN = 6, SALE_CLOSED = 7, QUEUE_REQUIRED = 8, HOLD_EXPIRED = 9, ILLEGAL_STATE = 10,
  NOT_FOUND = 11, TIMED_OUT = 14, INVALID = 17, PAYMENT_REQUIRED = 19,
  DIFFERENT_PARTITIONS = 20, ALREADY_WAITING = 21, STILL_AVAILABLE = 22,
  INVENTORY_IN_USE = 25, SALE_PAUSED = 26,
}

local RESULT = {SUCCEEDED = 1, FAILED = 2, GIVEN_UP = 3}  -- what the provider said of a payment

-- The legal moves of a booking; nothing outside this table ever happens to one.
local MOVES = {
  [STATE.HELD] = {
    [STATE.PENDING] = true, [STATE.CONFIRMED] = true, [STATE.CANCELLED] = true,
    [STATE.EXPIRED] = true,
  },
  [STATE.PENDING] = {
    [STATE.CONFIRMED] = true, [STATE.FAILED] = true, [STATE.CANCELLED] = true,
    [STATE.EXPIRED] = true,
  },
  [STATE.CONFIRMED] = {[STATE.CANCELLED] = true},
  [STATE.CANCELLED] = {},
  [STATE.EXPIRED] = {},
  [STATE.FAILED] = {[STATE.CONFIRMED] = true},
}

-- The tier counter that holds a booking's places in each state; the dead give them back.
local COUNTER = {
  [STATE.HELD] = 'held', [STATE.PENDING] = 'pending', [STATE.CONFIRMED] = 'confirmed',
  [STATE.CANCELLED] = 'available', [STATE.EXPIRED] = 'available', [STATE.FAILED] = 'available',
}
