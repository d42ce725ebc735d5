"""Modbus slaves of pymodbus, whose registers are written through standard input.

    slaves.py tcp UNIT_ID...            prints `listening PORT`
    slaves.py rtu DEVICE BAUD UNIT_ID...    prints `listening DEVICE`

Each line `set UNIT_ID ADDRESS VALUE...` writes holding and input registers alike, `switch UNIT_ID ADDRESS VALUE...` coils and discrete inputs.
Each is answered with `done`; the addresses are those of the protocol, from 0.
`coil UNIT_ID ADDRESS` is answered with `coil 0` or `coil 1`.
"""

import asyncio
import sys

from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.server import ModbusSerialServer, ModbusTcpServer

REGISTERS = 1000
# A table is named by a function code that reaches it.
TABLES = {"set": (16, 4), "switch": (15, 2)}


async def main() -> None:
    kind, *arguments = sys.argv[1:]
    if kind == "rtu":
        device, baud, *arguments = arguments
    registers = [SimData(0, count=REGISTERS, values=0, datatype=DataType.REGISTERS)]
    bits = [SimData(0, count=16, values=0, datatype=DataType.BITS)]
    tables = (bits, bits, registers, registers)
    devices = [SimDevice(int(unit), tables) for unit in arguments]
    if kind == "rtu":
        server = ModbusSerialServer(devices, port=device, baudrate=int(baud))
        await server.listen()
        print("listening", device, flush=True)
    else:
        server = ModbusTcpServer(devices, address=("127.0.0.1", 0))
        await server.listen()
        print("listening", server.transport.sockets[0].getsockname()[1], flush=True)

    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while line := await lines.readline():
        verb, unit, address, *values = line.decode().split()
        if verb == "coil":
            coils = await server.async_getValues(int(unit), 1, int(address), 1)
            print("coil", int(coils[0]), flush=True)
            continue
        for table in TABLES[verb]:
            await server.async_setValues(
                int(unit), table, int(address), [int(value, 0) for value in values]
            )
        print("done", flush=True)


asyncio.run(main())
