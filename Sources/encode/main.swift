import Commands

Program.run(EncodeCommand.self)
