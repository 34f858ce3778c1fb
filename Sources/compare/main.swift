import Commands

Program.run(CompareCommand.self)
