import Commands

Program.run(DecodeCommand.self)
