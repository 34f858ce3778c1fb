import Commands

Program.run(TesseraCommand.self)
